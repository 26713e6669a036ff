// Text widths from a canvas: no layout of the page is needed to fit a label.
import { fitText } from "../scale/text";

const widths = new Map<string, number>();
let context: CanvasRenderingContext2D | null = null;

/** Width in px of a text in the tab's font. */
export function textWidth(text: string, size: number, weight = 400): number {
  const key = `${weight} ${size} ${text}`;
  let width = widths.get(key);
  if (width === undefined) {
    context ??= document.createElement("canvas").getContext("2d");
    if (!context) {
      return text.length * size * 0.55;
    }
    context.font = `${weight} ${size}px Roboto, system-ui, sans-serif`;
    width = context.measureText(text).width;
    widths.set(key, width);
  }
  return width;
}

/** Widths measured before the font arrived are wrong; forget them. */
export const forgetWidths = (): void => widths.clear();

export interface FittedLabel {
  readonly text: string;
  readonly size: number;
}

/** A label that fits: 12 px, else 11 px, else cut with an ellipsis. */
export function fitLabel(text: string, width: number): FittedLabel {
  if (textWidth(text, 12) <= width) {
    return { text, size: 12 };
  }
  return { text: fitText(text, width, (part) => textWidth(part, 11)), size: 11 };
}
