// Names of planes, tokens and classes, none on top of another.

import { isSink } from "../../layout/graph/graph_planes";
import {
  edgeRings,
  planeOf,
  planeRings,
  ringAxis,
  ringCount,
  sideOf,
} from "../../layout/graph/graph_rings";
import { groupTitle } from "../../layout/graph/layer_groups";
import { type Named, type PlacedName, placeNames } from "../../layout/graph/names";
import type { Projection } from "../../layout/graph/projection";
import { tokenText } from "../../scale/text";
import { fitLabel, textWidth } from "../measure";
import type { Colours, GraphProps } from "./graph_props";

const LABEL_WIDTH = 92;
/** px between a name and the edge of the canvas. */
const EDGE = 3;
/** Names stay this far from the top and from the legend. */
const SPAN_TOP = 22;
const SPAN_FOOT = 46;
const TITLE_RISE = 12;
const LEAD = 5; // a name moved farther than this from its token gets a line to it
const GAP = 6;
const ROOM_ASIDE = 16;

/** px beside a ring for the longest name of its words. */
export function namesRoom({ node, sentence }: GraphProps): number {
  const widths = planeRings(node.layer, sentence).flatMap((ring) =>
    ringAxis(ring, sentence).map(({ text }) => textWidth(tokenText(text), 12)),
  );
  return Math.min(LABEL_WIDTH, Math.max(24, ...widths)) + ROOM_ASIDE;
}

interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

const overlaps = (a: Box, b: Box): boolean =>
  a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;

export function paintLabels(
  context: CanvasRenderingContext2D,
  props: GraphProps,
  scene: Projection,
  colours: Colours,
): void {
  const taken = paintTitles(context, props, scene, colours);
  const near = planeRings(props.node.layer, props.sentence);
  for (const ring of near) {
    taken.push(...paintNames(context, props, scene, colours, ring));
  }
  paintUndefined(context, props, scene, colours);
  const rings = ringCount(props.planes.length, props.sentence);
  for (let ring = 0; ring < rings; ring++) {
    if (!near.includes(ring)) {
      paintKin(context, props, scene, colours, ring, taken);
    }
  }
}

/** A plane without edges because weights are not numbers says so. */
function paintUndefined(
  context: CanvasRenderingContext2D,
  { planes, sentence }: GraphProps,
  scene: Projection,
  colours: Colours,
): void {
  planes.forEach(({ undefinedWeights }, plane) => {
    if (!undefinedWeights) {
      return;
    }
    const [ring] = edgeRings(plane, sentence);
    const { x, y } = scene.middle(ring);
    context.font = "500 12px Roboto, system-ui, sans-serif";
    context.textAlign = "center";
    context.lineWidth = 5;
    context.strokeStyle = colours.plane;
    context.strokeText("NaN", x, y);
    context.fillStyle = colours.nan;
    context.fillText("NaN", x, y);
  });
}

/** Short where the long ones would touch. */
function paintTitles(
  context: CanvasRenderingContext2D,
  props: GraphProps,
  scene: Projection,
  colours: Colours,
): Box[] {
  const rings = ringCount(props.planes.length, props.sentence);
  const spots = Array.from({ length: rings }, (_, ring) => scene.title(ring));
  const long = spots.map((_, ring) => titleOf(props, ring, false));
  const tight = spots.some(({ x }, ring) => {
    const next = spots[ring + 1];
    const half = (textWidth(long[ring] ?? "", 12) + textWidth(long[ring + 1] ?? "", 12)) / 2;
    return next !== undefined && Math.abs(next.x - x) < half + GAP;
  });
  return spots.map(({ x, y }, ring) => {
    const chosen = ring === props.node.layer;
    const text = tight ? titleOf(props, ring, true) : (long[ring] ?? "");
    const high = Math.max(14, y - TITLE_RISE);
    context.font = `${chosen ? "500 " : ""}12px Roboto, system-ui, sans-serif`;
    context.textAlign = "center";
    context.lineWidth = 3.5;
    context.strokeStyle = colours.bg;
    context.strokeText(text, x, high);
    context.fillStyle = chosen ? colours.ink : colours.ink2;
    context.fillText(text, x, high);
    const half = textWidth(text, 12, chosen ? 500 : 400) / 2;
    return { left: x - half, right: x + half, top: high - 11, bottom: high + 3 };
  });
}

function titleOf({ planes, sentence }: GraphProps, ring: number, short: boolean): string {
  const layers = planes[planeOf(ring, sentence)]?.layers ?? { start: ring, stop: ring + 1 };
  const one = layers.stop - layers.start === 1;
  const tiny = one ? `L${layers.stop}` : `L${layers.start + 1}\u2013${layers.stop}`;
  if (!sentence.cross) {
    return short ? tiny : groupTitle(layers);
  }
  const source = sideOf(ring, sentence) === "key";
  const [keys, queries] = sentence.sides ?? ["Source", "Target"];
  return short ? (source ? tiny : "") : `${source ? keys : queries} ${tiny}`;
}

/** The words of a ring of the chosen plane, in a column to its left and one to its right. */
function paintNames(
  context: CanvasRenderingContext2D,
  props: GraphProps,
  scene: Projection,
  colours: Colours,
  ring: number,
): Box[] {
  const { node, rule, sentence, viewport } = props;
  const axis = ringAxis(ring, sentence);
  const kin = sideOf(ring, sentence) === sideOf(node.layer, sentence);
  const named = axis.flatMap(({ picture }, token): Named[] => {
    const same = kin && token === node.token;
    const leftOut = rule.words && isSink(axis, token, sentence.causal);
    const { x, y } = scene.token(ring, token);
    const rank = same ? Number.POSITIVE_INFINITY : strengthOf(props, ring, token);
    return (leftOut && !same) || (picture && !same) ? [] : [{ token, x, y, rank }];
  });
  const title = scene.title(ring).y - TITLE_RISE;
  const span = { top: Math.max(SPAN_TOP, title + 4), bottom: viewport.height - SPAN_FOOT };
  return placeNames(named, scene.rim(ring), span).map((name) => {
    const bold = ring === node.layer && name.token === node.token;
    const text = fitLabel(tokenText(axis[name.token]?.text ?? ""), LABEL_WIDTH).text;
    return paintName(context, scene, colours, ring, name, { text, bold }, viewport.width);
  });
}

/** The strongest kept edge of a token. */
function strengthOf({ planes, sentence }: GraphProps, ring: number, token: number): number {
  const kept = planes[planeOf(ring, sentence)]?.kept ?? [];
  const asks = !sentence.cross || sideOf(ring, sentence) === "query";
  const asked = !sentence.cross || sideOf(ring, sentence) === "key";
  return kept.reduce(
    (most, { from, to, level }) =>
      (asks && from === token) || (asked && to === token) ? Math.max(most, level) : most,
    0,
  );
}

function paintName(
  context: CanvasRenderingContext2D,
  scene: Projection,
  colours: Colours,
  ring: number,
  name: PlacedName,
  { text, bold }: { readonly text: string; readonly bold: boolean },
  width: number,
): Box {
  context.font = `${bold ? "500 " : ""}12px Roboto, system-ui, sans-serif`;
  const long = textWidth(text, 12, bold ? 500 : 400);
  const free = name.side === "left" ? name.x - long : name.x;
  const left = Math.max(EDGE, Math.min(width - EDGE - long, free));
  const at = scene.token(ring, name.token);
  if (Math.hypot(at.y - name.y, Math.abs(at.x - name.x) - 9) > LEAD) {
    context.strokeStyle = colours.line2;
    context.lineWidth = 0.8;
    context.beginPath();
    context.moveTo(at.x, at.y);
    context.lineTo(name.side === "left" ? left + long + 2 : left - 2, name.y);
    context.stroke();
  }
  context.textAlign = "left";
  context.lineWidth = 3.5;
  context.strokeStyle = colours.bg;
  context.strokeText(text, left, name.y + 4);
  context.fillStyle = colours.ink;
  context.fillText(text, left, name.y + 4);
  return { left, right: left + long, top: name.y - 6, bottom: name.y + 6 };
}

/** The chosen token's name on another plane, where it lies on no other name. */
function paintKin(
  context: CanvasRenderingContext2D,
  { node, sentence, viewport }: GraphProps,
  scene: Projection,
  colours: Colours,
  ring: number,
  taken: Box[],
): void {
  const mark = ringAxis(ring, sentence)[node.token];
  if (!mark || mark.picture || sideOf(ring, sentence) !== sideOf(node.layer, sentence)) {
    return;
  }
  const { x, y } = scene.token(ring, node.token);
  const text = fitLabel(tokenText(mark.text), LABEL_WIDTH).text;
  const half = textWidth(text, 12) / 2;
  const box = { left: x - half - 2, right: x + half + 2, top: y + 6, bottom: y + 20 };
  const inside = box.left > 0 && box.right < viewport.width;
  if (!inside || taken.some((other) => overlaps(other, box))) {
    return;
  }
  taken.push(box);
  context.font = "12px Roboto, system-ui, sans-serif";
  context.textAlign = "center";
  context.lineWidth = 3.5;
  context.strokeStyle = colours.bg;
  context.strokeText(text, x, y + 17);
  context.fillStyle = colours.ink;
  context.fillText(text, x, y + 17);
}
