// Words on both axes of the head's own map; where cells are small, every n-th.
import type { Axis } from "../../core/axis";
import { tokenText } from "../../scale/text";
import { svg } from "../dom";
import { fitLabel } from "../measure";

export const MAP = { left: 64, top: 74, size: 164 } as const;
const TEXT_PITCH = 10;
const ROOM = 56;

export function drawMapAxes(query: Axis, key: Axis): SVGGElement {
  const rows = labels(query).map(({ text, middle }) =>
    svg("text", { class: "lens-axis", x: MAP.left - 5, y: MAP.top + middle + 4 }, text),
  );
  const columns = labels(key).map(({ text, middle }) =>
    svg(
      "text",
      { transform: `translate(${MAP.left + middle + 3},${MAP.top - 5}) rotate(-60)` },
      text,
    ),
  );
  return svg("g", { "aria-hidden": "true" }, ...rows, ...columns);
}

function labels(axis: Axis): { text: string; middle: number }[] {
  const cell = MAP.size / Math.max(1, axis.length);
  const stride = Math.ceil(TEXT_PITCH / cell);
  return axis.flatMap((token, at) =>
    at % stride === 0
      ? [{ text: fitLabel(tokenText(token.text), ROOM).text, middle: (at + 0.5) * cell }]
      : [],
  );
}
