// Names of planes, tokens and classes.

import { planeOf, ringAxis, ringCount, sideOf } from "../../layout/graph/graph_rings";
import { groupTitle } from "../../layout/graph/layer_groups";
import type { Projection } from "../../layout/graph/projection";
import { tokenText } from "../../scale/text";
import { fitLabel } from "../measure";
import type { Colours, GraphProps } from "./props";

const LABEL_WIDTH = 96;
const LABELS_UP_TO = 48;
const EDGE = 3; // pixels between a name and the edge of the canvas

export function paintLabels(
  context: CanvasRenderingContext2D,
  props: GraphProps,
  scene: Projection,
  colours: Colours,
): void {
  const { node, planes, rule, sentence } = props;
  for (let ring = 0; ring < ringCount(planes.length, sentence); ring++) {
    const chosen = ring === node.layer;
    const axis = ringAxis(ring, sentence);
    const { x, y } = scene.title(ring);
    context.font = `${chosen ? "500 " : ""}12px Roboto, system-ui, sans-serif`;
    context.textAlign = "center";
    context.fillStyle = chosen ? colours.ink : colours.ink2;
    context.fillText(titleOf(props, ring), x, Math.max(14, y));
    // The same token is named on every ring of its sentence.
    const kin = sideOf(ring, sentence) === sideOf(node.layer, sentence);
    axis.forEach((mark, token) => {
      const leftOut = rule.words && mark.special;
      const same = kin && token === node.token;
      if (same || (chosen && !leftOut && axis.length <= LABELS_UP_TO)) {
        paintWord(context, scene, colours, { ring, token, text: mark.text, bold: chosen && same });
      }
    });
  }
}

function titleOf({ planes, sentence }: GraphProps, ring: number): string {
  const layers = planes[planeOf(ring, sentence)]?.layers ?? { start: ring, stop: ring + 1 };
  if (!sentence.cross) {
    return groupTitle(layers);
  }
  const short = layers.stop - layers.start === 1 ? `L${layers.stop}` : groupTitle(layers);
  return sideOf(ring, sentence) === "key" ? `Source ${short}` : `Target ${short}`;
}

/** How far a text has to move so that the canvas does not cut it off. */
function shiftInside(context: CanvasRenderingContext2D, text: string, x: number): number {
  const box = context.measureText(text);
  const shown = context.canvas.width / context.getTransform().a;
  const over = x + box.actualBoundingBoxRight + EDGE - shown;
  return Math.max(0, EDGE + box.actualBoundingBoxLeft - x) - Math.max(0, over);
}

interface Word {
  readonly ring: number;
  readonly token: number;
  readonly text: string;
  readonly bold: boolean;
}

function paintWord(
  context: CanvasRenderingContext2D,
  scene: Projection,
  colours: Colours,
  { ring, token, text, bold }: Word,
): void {
  const { x, y } = scene.token(ring, token);
  const middle = scene.middle(ring);
  const length = Math.hypot(x - middle.x, y - middle.y) || 1;
  const [dx, dy] = [(x - middle.x) / length, (y - middle.y) / length];
  context.font = `${bold ? "500 " : ""}12px Roboto, system-ui, sans-serif`;
  context.textAlign = dx > 0.15 ? "left" : dx < -0.15 ? "right" : "center";
  context.lineWidth = 3.5;
  context.strokeStyle = colours.bg;
  const label = fitLabel(tokenText(text), LABEL_WIDTH).text;
  const wanted = x + 11 * dx;
  const at = [
    wanted + shiftInside(context, label, wanted),
    y + 12 * dy + 4 - (dy < -0.93 ? 7 : 0),
  ] as const;
  context.strokeText(label, ...at);
  context.fillStyle = colours.ink;
  context.fillText(label, ...at);
}
