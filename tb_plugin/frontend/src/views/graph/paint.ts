// Paints the planes on a canvas, far ones first, and remembers what can be pointed at.

import type { PatchImage } from "../../core/recording";
import { classColour, edgeStroke, headColour } from "../../layout/graph/edge_style";
import { isSink, type PlaneEdge } from "../../layout/graph/graph_planes";
import {
  edgeRings,
  planeOf,
  ringAxis,
  ringCount,
  sideOf,
  touches,
} from "../../layout/graph/graph_rings";
import { pictureHalf } from "../../layout/graph/picture_places";
import type { Projection } from "../../layout/graph/projection";
import type { Spot } from "../../layout/graph/seats";
import { type Classes, classStarts } from "../../layout/graph/token_graph";
import { imageCanvas } from "../image_canvas";
import type { Colours, GraphProps, Hit } from "./graph_props";
import { paintClasses, paintFeedForward, paintValues } from "./paint_flow";
import { paintLabels } from "./paint_labels";

/** A change below this share of even attention is drawn as no change. */
const SAME = 0.25;
/** What passes the cut in A and in B, or has hardly changed, stands back. */
const PALE = 0.45;
const LOST_DASHES = [6, 5];
/** Among more tokens than these only the chosen one's stream is drawn: the others are a haze. */
const RAILS_UP_TO = 24;
const IMAGE_OPACITY = 0.45;
/** px of room for an edge per px of half a ring's width. */
const SIDEWAYS = 0.45;
const DOT = { least: 1.2, most: 3.4, share: 0.22, aside: 0.08 };

/** Where the five classes of strength of what is shown begin. */
export const strengths = ({ rule, sentence }: GraphProps): Classes =>
  classStarts(rule.norm, rule.prune === "level" ? rule.least : null, sentence.key.length);

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
  const done = new Set<number>();
  for (const ring of order) {
    const plane = planeOf(ring, props.sentence);
    if (!done.has(plane)) {
      done.add(plane);
      paintPlane(context, props, scene, colours, plane, hits);
    }
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
  { node, planes, sentence }: GraphProps,
  scene: Projection,
  colours: Colours,
): void {
  const step = sentence.cross ? 2 : 1;
  context.strokeStyle = colours.line2;
  context.lineWidth = 0.6;
  context.globalAlpha = 0.55;
  context.beginPath();
  for (let ring = 0; ring + step < ringCount(planes.length, sentence); ring++) {
    const few = scene.tokens(ring) <= RAILS_UP_TO;
    const last = few ? scene.tokens(ring) : node.token + 1;
    for (let token = few ? 0 : node.token; token < last; token++) {
      const from = scene.token(ring, token);
      const to = scene.token(ring + step, token);
      context.moveTo(from.x, from.y);
      context.lineTo(to.x, to.y);
    }
  }
  context.stroke();
  context.globalAlpha = 1;
}

/** A plane is one ring, or the rings of two sentences: their grounds, then edges, then tokens. */
function paintPlane(
  context: CanvasRenderingContext2D,
  props: GraphProps,
  scene: Projection,
  colours: Colours,
  plane: number,
  hits: Hit[],
): void {
  const { sentence } = props;
  const rings = [...new Set(edgeRings(plane, sentence))];
  for (const ring of rings) {
    paintGround(context, props, scene, colours, ring, hits);
  }
  const front = (edge: PlaneEdge): number => (standsBack(edge) ? 0 : 1);
  const classes = strengths(props);
  const kept = props.planes[plane]?.kept ?? [];
  for (const edge of [...kept].sort((a, b) => front(a) - front(b) || a.level - b.level)) {
    paintEdge(context, props, scene, colours, { plane, edge, classes }, hits);
  }
  for (const ring of rings) {
    paintTokens(context, props, scene, colours, ring, hits);
  }
}

function paintGround(
  context: CanvasRenderingContext2D,
  props: GraphProps,
  scene: Projection,
  colours: Colours,
  ring: number,
  hits: Hit[],
): void {
  const chosen = ring === props.node.layer;
  const rim = scene.rim(ring);
  hits.push({ kind: "plane", layer: ring, rim });
  context.beginPath();
  for (const { x, y } of rim) {
    context.lineTo(x, y);
  }
  context.closePath();
  context.fillStyle = colours.plane;
  context.fill();
  context.strokeStyle = chosen ? colours.ink2 : colours.line2;
  context.lineWidth = chosen ? 1.5 : 1;
  context.stroke();

  if (props.image) {
    paintImage(context, props.image, scene, ring);
  }
}

function paintTokens(
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
  const fits = Math.min(DOT.share * scene.pitch(ring), DOT.aside * scene.half(ring));
  const dot = Math.max(DOT.least, Math.min(DOT.most, fits));
  for (let token = 0; token < axis.length; token++) {
    const at = scene.token(ring, token);
    const same = kin && token === node.token;
    const leftOut = rule.words && isSink(axis, token, sentence.causal);
    context.beginPath();
    context.arc(at.x, at.y, chosen && same ? 6 : same ? 4.5 : dot, 0, 2 * Math.PI);
    context.fillStyle =
      chosen && same ? colours.accent : same || leftOut ? colours.bg : colours.ink2;
    context.fill();
    context.strokeStyle = same ? colours.accent : leftOut ? colours.ink3 : colours.bg;
    context.lineWidth = same ? 2 : Math.min(1, dot / 2);
    context.stroke();
    hits.push({ kind: "node", layer: ring, token, at });
  }
}

/**
 * The image lies on the plane, pale, so that edges over it can be read. It is drawn in strips: one
 * strip alone would not follow the perspective.
 */
function paintImage(
  context: CanvasRenderingContext2D,
  image: PatchImage,
  scene: Projection,
  ring: number,
): void {
  const half = pictureHalf(image);
  const picture = imageCanvas(image);
  const { width, height } = picture;
  const strip = height / Math.max(1, image.rows);
  context.globalAlpha = IMAGE_OPACITY;
  context.imageSmoothingEnabled = false;
  for (let row = 0; row < image.rows; row++) {
    const edge = (at: number): number => half.y * ((2 * at) / image.rows - 1);
    const corner = scene.on(ring, { y: edge(row), z: half.z });
    const right = scene.on(ring, { y: edge(row), z: -half.z });
    const below = scene.on(ring, { y: edge(row + 1), z: half.z });
    context.save();
    context.transform(
      (right.x - corner.x) / width,
      (right.y - corner.y) / width,
      (below.x - corner.x) / strip,
      (below.y - corner.y) / strip,
      corner.x,
      corner.y,
    );
    context.drawImage(picture, 0, row * strip, width, strip, 0, 0, width, strip);
    context.restore();
  }
  context.globalAlpha = 1;
}

/** Edges are thinner among many tokens, and on a ring that is seen from the side. */
const roomOf = (scene: Projection, ring: number): number =>
  Math.min(scene.pitch(ring), SIDEWAYS * scene.half(ring));

interface EdgeOfPlane {
  readonly plane: number;
  readonly edge: PlaneEdge;
  readonly classes: Classes;
}

function paintEdge(
  context: CanvasRenderingContext2D,
  props: GraphProps,
  scene: Projection,
  colours: Colours,
  { plane: layer, edge, classes }: EdgeOfPlane,
  hits: Hit[],
): void {
  const { rule, node, sentence } = props;
  const [fromRing, toRing] = edgeRings(layer, sentence);
  const stroke = edgeStroke(props.colour, edge, classes, roomOf(scene, toRing));
  const from = scene.token(fromRing, edge.from);
  const to = scene.token(toRing, edge.to);
  const bend = sentence.cross ? middleOf(from, to) : scene.bend(layer, edge.from, edge.to);
  const chosen = planeOf(node.layer, sentence) === layer && touches(edge, node, sentence);
  context.globalAlpha = stroke.opacity * (standsBack(edge) ? PALE : 1);
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

const isSame = ({ change, even }: PlaneEdge): boolean => Math.abs(change ?? 0) <= SAME * even;

const standsBack = (edge: PlaneEdge): boolean =>
  edge.fate === "kept" || (edge.change !== null && isSame(edge));

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
    return isSame(edge) ? colours.line2 : edge.change > 0 ? colours.more : colours.less;
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
