// What passes from plane to plane and on to the answer: values, feed-forward blocks, classes.
import { largestPart } from "../../layout/graph/class_nodes";
import { planeOf, ringAxis, sideOf } from "../../layout/graph/graph_rings";
import type { Projection } from "../../layout/graph/projection";
import type { Spot } from "../../layout/graph/seats";
import { fixed, orNaN } from "../../scale/format";
import { tokenText } from "../../scale/text";
import { fitLabel } from "../measure";
import type { Colours, FeedForward, GraphProps, Hit } from "./graph_props";

const VALUE_EDGES = 8;
const NARROW = 62;
const WIDEST = 4;
const CLASS_BOX = 12;
const CLASS_LABEL = 110;
/** A contribution below this share of the largest is not drawn. */
const FAINT = 0.02;

/** Where the chosen token's value goes in the next plane, and from where it was fed. */
export function paintValues(
  context: CanvasRenderingContext2D,
  props: GraphProps,
  scene: Projection,
  colours: Colours,
): void {
  const { node, planes, rule, sentence } = props;
  if (sentence.cross) {
    return; // the edges between source and target are the values' way already
  }
  const axis = ringAxis(node.layer, sentence);
  const shown = (token: number): boolean => !(rule.words && axis[token]?.special);
  const flows: { from: Spot; to: Spot; weight: number }[] = [];
  const here = planes[planeOf(node.layer, sentence)]?.map;
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

/** The block after every plane: as wide as the hidden states, wider, and as wide again. */
export function paintFeedForward(
  context: CanvasRenderingContext2D,
  { planes, sentence }: GraphProps,
  { narrow, wide }: FeedForward,
  scene: Projection,
  colours: Colours,
): void {
  const ratio = Math.min(WIDEST, wide / narrow);
  const [from, middle, to] = [0.34, 0.5, 0.66];
  planes.forEach((_, plane) => {
    const ring = sentence.cross ? 2 * plane + 1 : plane;
    const outline = [
      [from, -1],
      [middle, -ratio],
      [to, -1],
      [to, 1],
      [middle, ratio],
      [from, 1],
    ].map(([share = 0, height = 0]) => scene.between(ring, share, (height * NARROW) / 2));
    context.beginPath();
    for (const { x, y } of outline) {
      context.lineTo(x, y);
    }
    context.closePath();
    context.fillStyle = colours.plane;
    context.fill();
    context.strokeStyle = colours.ink3;
    context.lineWidth = 1;
    context.stroke();
    context.beginPath();
    context.moveTo(outline[1]?.x ?? 0, outline[1]?.y ?? 0);
    context.lineTo(outline[4]?.x ?? 0, outline[4]?.y ?? 0);
    context.stroke();
    if (plane === 0) {
      const foot = scene.between(ring, middle, (ratio * NARROW) / 2);
      context.font = "11px Roboto, system-ui, sans-serif";
      context.textAlign = "center";
      context.fillStyle = colours.ink2;
      context.fillText(`${narrow} → ${wide} → ${narrow}`, foot.x, foot.y + 14);
    }
  });
}

/** The answer: a box per class, filled to its probability, and what every token adds to one. */
export function paintClasses(
  context: CanvasRenderingContext2D,
  props: GraphProps,
  scene: Projection,
  colours: Colours,
  hits: Hit[],
): void {
  const last = scene.layers - 1;
  const side = sideOf(last, props.sentence);
  const chosen = props.classes[props.chosenClass];
  const largest = largestPart(props.classes);
  if (chosen && side === "key") {
    const end = scene.classNode(props.chosenClass);
    chosen.added.forEach((added, token) => {
      if (Math.abs(added) >= FAINT * largest) {
        const from = scene.token(last, token);
        context.strokeStyle = added > 0 ? colours.more : colours.less;
        context.lineWidth = 0.8 + 6 * Math.min(1, Math.abs(added) / largest);
        context.beginPath();
        context.moveTo(from.x, from.y);
        context.lineTo(end.x, end.y);
        context.stroke();
      }
    });
  }
  props.classes.forEach(({ name, probability, index }, at) => {
    const spot = scene.classNode(at);
    const [x, y] = [spot.x - CLASS_BOX / 2, spot.y - CLASS_BOX / 2];
    const bold = at === props.chosenClass;
    context.fillStyle = colours.bg;
    context.fillRect(x, y, CLASS_BOX, CLASS_BOX);
    context.fillStyle = bold ? colours.ink : colours.ink3;
    context.fillRect(x, y + CLASS_BOX * (1 - probability), CLASS_BOX, CLASS_BOX * probability);
    context.strokeStyle = bold ? colours.ink : colours.ink3;
    context.lineWidth = 1.25;
    context.strokeRect(x, y, CLASS_BOX, CLASS_BOX);
    context.font = `${bold ? "500 " : ""}12px Roboto, system-ui, sans-serif`;
    context.textAlign = "left";
    const label = `${fitLabel(tokenText(name), CLASS_LABEL).text} ${orNaN(probability, fixed)}`;
    context.lineWidth = 3.5;
    context.strokeStyle = colours.bg;
    context.strokeText(label, spot.x + 11, spot.y + 4);
    context.fillStyle = bold ? colours.ink : colours.ink2;
    context.fillText(label, spot.x + 11, spot.y + 4);
    hits.push({ kind: "class", index, at: spot });
  });
}
