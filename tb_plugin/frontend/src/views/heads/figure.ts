// The selected head's map, with its cells in words.

import { changeOnScale, onScale } from "../../core/contrast";
import { holdsLayer } from "../../core/maps";
import { shownMap } from "../../layout/network/network_numbers";
import { fixed, headLabel, headTitle } from "../../scale/format";
import { attentionRamp, differenceRamp } from "../../scale/ramps";
import { tokenText } from "../../scale/text";
import { headBadge, html, setText } from "../dom";
import { cellAt, drawHeat, framed } from "../heat";
import type { View } from "../view";
import type { FigureProps } from "./heads_props";

const MAP_SIZE = 226;
const HINT = "Rows: query, columns: key. Point at a cell to read it.";

export function createFigure(host: HTMLElement): View<FigureProps> {
  const title = html("h2");
  const canvas = html("canvas", { role: "img", class: "side-map" });
  const reading = html("p", { class: "note side-reading" }, HINT);
  const root = html("div", { class: "side-figure" }, title, canvas, reading);
  host.append(root);
  let props: FigureProps | null = null;

  canvas.addEventListener("pointermove", (event) => {
    if (props && holdsLayer(props.source.maps, props.selected.layer)) {
      const { source, selected } = props;
      const map = shownMap(source.maps, source.reference, selected.layer, selected.head);
      const cell = cellAt(canvas, map, event);
      const value = cell ? map.data[cell.query * map.cols + cell.key] : undefined;
      setText(reading, cell ? cellText(props, value, cell) : "");
    }
  });
  canvas.addEventListener("pointerleave", () => setText(reading, HINT));

  return {
    update(next) {
      props = next;
      title.replaceChildren(
        headBadge(next.selected.head),
        headTitle(next.selected),
        html("span", { class: "quiet" }, next.source.label),
      );
      paint(next, canvas);
      setText(reading, HINT);
    },
    destroy: () => root.remove(),
  };
}

function cellText(
  { query, key }: FigureProps,
  value: number | undefined,
  cell: { query: number; key: number },
): string {
  const from = tokenText(query[cell.query]?.text ?? "");
  const to = tokenText(key[cell.key]?.text ?? "");
  return `“${from}” attends to “${to}”: ${fixed(value ?? Number.NaN, 4)}`;
}

function paint({ source, selected, pin }: FigureProps, canvas: HTMLCanvasElement): void {
  const { maps, reference, scales, theme } = source;
  if (!holdsLayer(maps, selected.layer)) {
    return;
  }
  const map = shownMap(maps, reference, selected.layer, selected.head);
  const scale = scales[selected.layer];
  const drawn = reference ? changeOnScale : onScale;
  drawHeat(canvas, scale ? drawn(map, scale) : map, {
    width: MAP_SIZE,
    height: MAP_SIZE,
    ramp: reference ? differenceRamp(theme) : attentionRamp(selected.head, theme),
    theme,
    diagonal: source.square,
    ...framed(pin),
  });
  canvas.setAttribute("data-layer", String(selected.layer));
  canvas.setAttribute("data-head", String(selected.head));
  canvas.setAttribute("aria-label", `Attention of ${headLabel(selected)}, ${source.label}`);
}
