// Paints the planes on a canvas, far ones first, and remembers what can be pointed at.

import { classColour, edgeStroke, headColour } from "../../layout/graph/edge_style";
import type { PlaneEdge } from "../../layout/graph/graph_planes";
import {
  edgeRings,
  planeOf,
  ringAxis,
  ringCount,
  sideOf,
  touches,
} from "../../layout/graph/graph_rings";
import type { Projection, Spot } from "../../layout/graph/projection";
import { paintClasses, paintFeedForward, paintValues } from "./paint_flow";
import { paintLabels } from "./paint_labels";
import type { Colours, GraphProps, Hit } from "./props";

/** A change below this share of the uniform weight is drawn as no change. */
const SAME = 0.25;
/** What passes the cut in A and in B, or has hardly changed, stands back. */
const PALE = 0.45;
const LOST_DASHES = [6, 5];

export function paintGraph(
  context: CanvasRenderingContext2D,
  props: GraphProps,
  scene: Projection,
  colours: Colours,
): Hit[] {
  const hits: Hit[] = [];
  context.lineCap = "round";
  context.lineJoin = "round";
  if (props.values) {
    paintRails(context, props, scene, colours);
  }
  const rings = ringCount(props.planes.length, props.sentence);
  const order = Array.from({ length: rings }, (_, ring) => ring).sort(
    (a, b) => scene.middle(b).depth - scene.middle(a).depth,
  );
  if (props.feedForward) {
    paintFeedForward(context, props, props.feedForward, scene, colours);
  }
  if (props.classes.length > 0) {
    paintClasses(context, props, scene, colours, hits);
  }
  for (const ring of order) {
    paintRing(context, props, scene, colours, ring, hits);
  }
  if (props.values) {
    paintValues(context, props, scene, colours);
  }
  paintLabels(context, props, scene, colours);
  return hits;
}

/** The same token in the next plane: the residual stream. Two sentences share no stream. */
function paintRails(
  context: CanvasRenderingContext2D,
  { planes, sentence }: GraphProps,
  scene: Projection,
  colours: Colours,
): void {
  const step = sentence.cross ? 2 : 1;
  context.strokeStyle = colours.line2;
  context.lineWidth = 0.6;
  context.globalAlpha = 0.55;
  context.beginPath();
  for (let ring = 0; ring + step < ringCount(planes.length, sentence); ring++) {
    for (let token = 0; token < scene.tokens(ring); token++) {
      const from = scene.token(ring, token);
      const to = scene.token(ring + step, token);
      context.moveTo(from.x, from.y);
      context.lineTo(to.x, to.y);
    }
  }
  context.stroke();
  context.globalAlpha = 1;
}

function paintRing(
  context: CanvasRenderingContext2D,
  props: GraphProps,
  scene: Projection,
  colours: Colours,
  ring: number,
  hits: Hit[],
): void {
  const { node, rule, sentence } = props;
  const axis = ringAxis(ring, sentence);
  const chosen = ring === node.layer;
  const kin = sideOf(ring, sentence) === sideOf(node.layer, sentence);
  const plane = planeOf(ring, sentence);
  context.beginPath();
  for (const { x, y } of scene.rim(ring)) {
    context.lineTo(x, y);
  }
  context.closePath();
  context.fillStyle = colours.plane;
  context.fill();
  context.strokeStyle = chosen ? colours.ink2 : colours.line2;
  context.lineWidth = chosen ? 1.5 : 1;
  context.stroke();

  // Edges between two rings are painted with the source's ring, before both rings' tokens.
  const kept = edgeRings(plane, sentence)[1] === ring ? (props.planes[plane]?.kept ?? []) : [];
  const front = (edge: PlaneEdge): number => (standsBack(edge, props.uniform) ? 0 : 1);
  for (const edge of [...kept].sort((a, b) => front(a) - front(b) || a.level - b.level)) {
    paintEdge(context, props, scene, colours, plane, edge, hits);
  }
  for (let token = 0; token < axis.length; token++) {
    const at = scene.token(ring, token);
    const same = kin && token === node.token;
    const leftOut = rule.words && (axis[token]?.special ?? false);
    context.beginPath();
    context.arc(at.x, at.y, chosen && same ? 6 : same ? 4.5 : 3.4, 0, 2 * Math.PI);
    context.fillStyle =
      chosen && same ? colours.accent : same || leftOut ? colours.bg : colours.ink2;
    context.fill();
    context.strokeStyle = same ? colours.accent : leftOut ? colours.ink3 : colours.bg;
    context.lineWidth = same ? 2 : 1;
    context.stroke();
    hits.push({ kind: "node", layer: ring, token, at });
  }
}

function paintEdge(
  context: CanvasRenderingContext2D,
  props: GraphProps,
  scene: Projection,
  colours: Colours,
  layer: number,
  edge: PlaneEdge,
  hits: Hit[],
): void {
  const { rule, node, sentence } = props;
  const [fromRing, toRing] = edgeRings(layer, sentence);
  const least = rule.prune === "level" ? rule.least : 0;
  const tokens = scene.tokens(toRing);
  const stroke = edgeStroke(props.colour, edge, least, rule.norm, tokens);
  const from = scene.token(fromRing, edge.from);
  const to = scene.token(toRing, edge.to);
  const bend = sentence.cross ? middleOf(from, to) : scene.bend(layer, edge.from, edge.to);
  const chosen = planeOf(node.layer, sentence) === layer && touches(edge, node, sentence);
  context.globalAlpha = stroke.opacity * (standsBack(edge, props.uniform) ? PALE : 1);
  context.setLineDash(edge.fate === "lost" ? LOST_DASHES : []);
  context.strokeStyle = edgeColour(props, colours, edge, stroke.level, chosen);
  context.lineWidth = stroke.width;
  context.beginPath();
  context.moveTo(from.x, from.y);
  context.quadraticCurveTo(bend.x, bend.y, to.x, to.y);
  context.stroke();
  context.setLineDash([]);
  if (rule.pair === "directed") {
    paintArrow(context, bend, to);
  }
  context.globalAlpha = 1;
  const at = {
    x: 0.25 * from.x + 0.5 * bend.x + 0.25 * to.x,
    y: 0.25 * from.y + 0.5 * bend.y + 0.25 * to.y,
    depth: bend.depth,
  };
  hits.push({ kind: "edge", layer, edge, at });
}

const isSame = (change: number, uniform: number): boolean => Math.abs(change) <= SAME * uniform;

const standsBack = ({ fate, change }: PlaneEdge, uniform: number): boolean =>
  fate === "kept" || (change !== null && isSame(change, uniform));

const middleOf = (a: Spot, b: Spot): Spot => ({
  x: (a.x + b.x) / 2,
  y: (a.y + b.y) / 2,
  depth: (a.depth + b.depth) / 2,
});

function edgeColour(
  props: GraphProps,
  colours: Colours,
  edge: PlaneEdge,
  level: number | null,
  chosen: boolean,
): string {
  if (edge.fate === "born" || edge.fate === "lost") {
    return edge.fate === "born" ? colours.more : colours.less;
  }
  if (edge.change !== null) {
    const same = isSame(edge.change, props.uniform);
    return same ? colours.line2 : edge.change > 0 ? colours.more : colours.less;
  }
  if (props.colour === "head") {
    return headColour(level ?? 0, props.theme, props.heads.get(edge) ?? null);
  }
  return chosen ? colours.accent : level === null ? colours.ink : classColour(level, props.theme);
}

/** A small head at the key, where the attention goes. */
function paintArrow(context: CanvasRenderingContext2D, from: Spot, to: Spot): void {
  const angle = Math.atan2(to.y - from.y, to.x - from.x);
  const tip = { x: to.x - 5 * Math.cos(angle), y: to.y - 5 * Math.sin(angle) };
  context.fillStyle = context.strokeStyle;
  context.beginPath();
  context.moveTo(tip.x, tip.y);
  for (const side of [-0.45, 0.45]) {
    context.lineTo(tip.x - 8 * Math.cos(angle + side), tip.y - 8 * Math.sin(angle + side));
  }
  context.fill();
}
