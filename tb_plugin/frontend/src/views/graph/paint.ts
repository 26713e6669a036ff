// Paints the planes on a canvas, far ones first, and remembers what can be pointed at.

import { edgeClass, uniformWeight } from "../../layout/graph";
import type { PlaneEdge } from "../../layout/graph_planes";
import type { Projection, Spot } from "../../layout/projection";
import { attentionRamp } from "../../scale/ramps";
import { tokenText } from "../../scale/text";
import { fitLabel } from "../measure";
import type { GraphProps } from "./props";

/** Something under the pointer: a token of a plane, or an edge at its bend. */
export type Hit =
  | { readonly kind: "node"; readonly layer: number; readonly token: number; readonly at: Spot }
  | { readonly kind: "edge"; readonly layer: number; readonly edge: PlaneEdge; readonly at: Spot };

export const CLASS_WIDTHS = [0.7, 1.5, 2.7, 4.2, 6.2] as const;
const CLASS_WEIGHTS = [0.07, 0.16, 0.32, 0.58, 0.95] as const;
/** A change below this share of the uniform weight is drawn as no change. */
const KEPT = 0.25;
const VALUE_EDGES = 8;
const LABEL_WIDTH = 96;
const LABELS_UP_TO = 48;

export interface Colours {
  readonly bg: string;
  readonly ink: string;
  readonly ink2: string;
  readonly ink3: string;
  readonly line2: string;
  readonly accent: string;
  readonly more: string;
  readonly less: string;
  readonly plane: string;
}

export const classColour = (level: number, props: GraphProps): string =>
  attentionRamp(null, props.theme).colour(CLASS_WEIGHTS[level] ?? 1);

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
  const order = props.planes
    .map((_, layer) => layer)
    .sort((a, b) => scene.middle(b).depth - scene.middle(a).depth);
  for (const layer of order) {
    paintPlane(context, props, scene, colours, layer, hits);
  }
  if (props.values) {
    paintValues(context, props, scene, colours);
  }
  paintLabels(context, props, scene, colours);
  return hits;
}

/** The same token in the next plane: the residual stream. */
function paintRails(
  context: CanvasRenderingContext2D,
  { planes, axis }: GraphProps,
  scene: Projection,
  colours: Colours,
): void {
  context.strokeStyle = colours.line2;
  context.lineWidth = 0.6;
  context.globalAlpha = 0.55;
  context.beginPath();
  for (let layer = 0; layer + 1 < planes.length; layer++) {
    for (let token = 0; token < axis.length; token++) {
      const from = scene.token(layer, token);
      const to = scene.token(layer + 1, token);
      context.moveTo(from.x, from.y);
      context.lineTo(to.x, to.y);
    }
  }
  context.stroke();
  context.globalAlpha = 1;
}

function paintPlane(
  context: CanvasRenderingContext2D,
  props: GraphProps,
  scene: Projection,
  colours: Colours,
  layer: number,
  hits: Hit[],
): void {
  const { node, rule, axis } = props;
  const chosen = layer === node.layer;
  context.beginPath();
  for (const { x, y } of scene.rim(layer)) {
    context.lineTo(x, y);
  }
  context.closePath();
  context.fillStyle = colours.plane;
  context.fill();
  context.strokeStyle = chosen ? colours.ink2 : colours.line2;
  context.lineWidth = chosen ? 1.5 : 1;
  context.stroke();

  const kept = [...(props.planes[layer]?.kept ?? [])].sort((a, b) => a.level - b.level);
  for (const edge of kept) {
    paintEdge(context, props, scene, colours, layer, edge, hits);
  }
  for (let token = 0; token < axis.length; token++) {
    const at = scene.token(layer, token);
    const same = token === node.token;
    const leftOut = rule.words && (axis[token]?.special ?? false);
    context.beginPath();
    context.arc(at.x, at.y, chosen && same ? 6 : same ? 4.5 : 3.4, 0, 2 * Math.PI);
    context.fillStyle =
      chosen && same ? colours.accent : same || leftOut ? colours.bg : colours.ink2;
    context.fill();
    context.strokeStyle = same ? colours.accent : leftOut ? colours.ink3 : colours.bg;
    context.lineWidth = same ? 2 : 1;
    context.stroke();
    hits.push({ kind: "node", layer, token, at });
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
  const { rule, node } = props;
  const level = edgeClass(edge.level, rule.least, rule.norm);
  const from = scene.token(layer, edge.from);
  const to = scene.token(layer, edge.to);
  const bend = scene.bend(layer, edge.from, edge.to);
  const chosen = layer === node.layer && (edge.from === node.token || edge.to === node.token);
  context.strokeStyle = edgeColour(props, colours, edge, level, chosen);
  context.lineWidth = CLASS_WIDTHS[level] ?? 1;
  context.beginPath();
  context.moveTo(from.x, from.y);
  context.quadraticCurveTo(bend.x, bend.y, to.x, to.y);
  context.stroke();
  if (rule.pair === "directed") {
    paintArrow(context, bend, to);
  }
  const at = {
    x: 0.25 * from.x + 0.5 * bend.x + 0.25 * to.x,
    y: 0.25 * from.y + 0.5 * bend.y + 0.25 * to.y,
    depth: bend.depth,
  };
  hits.push({ kind: "edge", layer, edge, at });
}

function edgeColour(
  props: GraphProps,
  colours: Colours,
  edge: PlaneEdge,
  level: number,
  chosen: boolean,
): string {
  if (edge.change !== null) {
    const change = edge.change / uniformWeight(props.rule.pair, props.axis.length);
    return change > KEPT ? colours.more : change < -KEPT ? colours.less : colours.line2;
  }
  return chosen ? colours.accent : classColour(level, props);
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

/** Where the chosen token's value goes in the next plane, and from where it was fed. */
function paintValues(
  context: CanvasRenderingContext2D,
  props: GraphProps,
  scene: Projection,
  colours: Colours,
): void {
  const { node, planes, axis, rule } = props;
  const shown = (token: number): boolean => !(rule.words && axis[token]?.special);
  const flows: { from: Spot; to: Spot; weight: number }[] = [];
  const here = planes[node.layer]?.map;
  const last = planes[node.layer - 1]?.map;
  for (let token = 0; token < axis.length; token++) {
    if (shown(token) && here && node.layer + 1 < planes.length) {
      const weight = here.data[token * here.cols + node.token] ?? 0;
      const to = scene.token(node.layer + 1, token);
      flows.push({ from: scene.token(node.layer, node.token), to, weight });
    }
    if (shown(token) && last) {
      const weight = last.data[node.token * last.cols + token] ?? 0;
      const from = scene.token(node.layer - 1, token);
      flows.push({ from, to: scene.token(node.layer, node.token), weight });
    }
  }
  context.setLineDash([5, 3.5]);
  context.strokeStyle = colours.accent;
  for (const { from, to, weight } of flows
    .sort((a, b) => b.weight - a.weight)
    .slice(0, VALUE_EDGES)) {
    context.lineWidth = 1 + 5 * weight;
    context.beginPath();
    context.moveTo(from.x, from.y);
    context.lineTo(to.x, to.y);
    context.stroke();
  }
  context.setLineDash([]);
}

function paintLabels(
  context: CanvasRenderingContext2D,
  props: GraphProps,
  scene: Projection,
  colours: Colours,
): void {
  const { node, axis, planes, rule } = props;
  planes.forEach((_, layer) => {
    const chosen = layer === node.layer;
    const { x, y } = scene.title(layer);
    context.font = `${chosen ? "500 " : ""}12px Roboto, system-ui, sans-serif`;
    context.textAlign = "center";
    context.fillStyle = chosen ? colours.ink : colours.ink2;
    context.fillText(`Layer ${layer + 1}`, x, Math.max(14, y));
    axis.forEach((mark, token) => {
      const leftOut = rule.words && mark.special;
      const same = token === node.token;
      if (same || (chosen && !leftOut && axis.length <= LABELS_UP_TO)) {
        paintWord(context, scene, colours, { layer, token, text: mark.text, bold: chosen && same });
      }
    });
  });
}

interface Word {
  readonly layer: number;
  readonly token: number;
  readonly text: string;
  readonly bold: boolean;
}

function paintWord(
  context: CanvasRenderingContext2D,
  scene: Projection,
  colours: Colours,
  { layer, token, text, bold }: Word,
): void {
  const { x, y } = scene.token(layer, token);
  const middle = scene.middle(layer);
  const length = Math.hypot(x - middle.x, y - middle.y) || 1;
  const [dx, dy] = [(x - middle.x) / length, (y - middle.y) / length];
  context.font = `${bold ? "500 " : ""}12px Roboto, system-ui, sans-serif`;
  context.textAlign = dx > 0.15 ? "left" : dx < -0.15 ? "right" : "center";
  context.lineWidth = 3.5;
  context.strokeStyle = colours.bg;
  const label = fitLabel(tokenText(text), LABEL_WIDTH).text;
  const at = [x + 11 * dx, y + 12 * dy + 4 - (dy < -0.93 ? 7 : 0)] as const;
  context.strokeText(label, ...at);
  context.fillStyle = colours.ink;
  context.fillText(label, ...at);
}
