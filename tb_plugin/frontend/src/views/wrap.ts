import { svg } from "./dom";
import { textWidth } from "./measure";

const PITCH = 16;

/** A text broken into lines at spaces; SVG does not do that by itself. */
export function wrapped(
  text: string,
  width: number,
  attributes: { x: number; y: number },
): SVGTextElement {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const longer = lines.length > 0 ? `${lines.at(-1)} ${word}` : word;
    if (lines.length > 0 && textWidth(longer, 12) <= width) {
      lines[lines.length - 1] = longer;
    } else {
      lines.push(word);
    }
  }
  const spans = lines.map((line, at) =>
    svg("tspan", { x: attributes.x, dy: at === 0 ? 0 : PITCH }, line),
  );
  return svg("text", { ...attributes, class: "wrapped" }, ...spans);
}
