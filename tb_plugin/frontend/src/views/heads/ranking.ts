// The heads that changed most between B and A, and the selected head's map.
import { shownMap } from "../../layout/network/network_numbers";
import { fixed, headLabel, headTitle } from "../../scale/format";
import { attentionRamp, differenceRamp } from "../../scale/ramps";
import { tokenText } from "../../scale/text";
import { headBadge, html, setText } from "../dom";
import { cellAt, drawHeat, framed } from "../heat";
import type { View } from "../view";
import type { RankingProps } from "./props";

const MAP_SIZE = 226;
const SHOWN = 40;

export function createRanking(host: HTMLElement): View<RankingProps> {
  const title = html("h2");
  const canvas = html("canvas", { role: "img", class: "side-map" });
  const reading = html("p", { class: "note side-reading" });
  const figure = html("div", { class: "side-figure" }, title, canvas, reading);
  const heading = html("h2", {}, "Change, A against B");
  const unit = html(
    "p",
    { class: "note" },
    "mean row Jensen–Shannon distance, 0 same to 1 disjoint",
  );
  const list = html("ol", { class: "ranking" });
  const root = html("div", { class: "side-content" }, figure, heading, unit, list);
  host.append(root);
  let props: RankingProps | null = null;

  canvas.addEventListener("pointermove", (event) => {
    const selected = props?.selected;
    if (props && selected) {
      const map = shownMap(props.maps, props.reference, selected.layer, selected.head);
      const cell = cellAt(canvas, map, event);
      setText(
        reading,
        cell ? cellText(props, map.data[cell.query * map.cols + cell.key], cell) : "",
      );
    }
  });
  canvas.addEventListener("pointerleave", () => setText(reading, HINT));

  return {
    update(next) {
      const moved = props?.ranking !== next.ranking || props.selected !== next.selected;
      props = next;
      figure.hidden = next.selected === null;
      if (next.selected) {
        title.replaceChildren(
          headBadge(next.selected.head),
          headTitle(next.selected),
          html("span", { class: "quiet" }, next.label),
        );
        paint(next, canvas);
        setText(reading, HINT);
      }
      if (moved) {
        list.replaceChildren(...next.ranking.slice(0, SHOWN).map((_, place) => row(next, place)));
      }
    },
    destroy: () => root.remove(),
  };
}

const HINT = "Rows: query, columns: key. Point at a cell to read it.";

function cellText(
  { query, key }: RankingProps,
  value: number | undefined,
  cell: { query: number; key: number },
): string {
  const from = tokenText(query[cell.query]?.text ?? "");
  const to = tokenText(key[cell.key]?.text ?? "");
  return `“${from}” attends to “${to}”: ${fixed(value ?? Number.NaN, 4)}`;
}

function paint(props: RankingProps, canvas: HTMLCanvasElement): void {
  const { selected, theme } = props;
  if (!selected) {
    return;
  }
  drawHeat(canvas, shownMap(props.maps, props.reference, selected.layer, selected.head), {
    width: MAP_SIZE,
    height: MAP_SIZE,
    ramp: props.reference ? differenceRamp(theme) : attentionRamp(selected.head, theme),
    theme,
    diagonal: props.part.kind === "self",
    ...framed(props.pin),
  });
  canvas.setAttribute("data-layer", String(selected.layer));
  canvas.setAttribute("data-head", String(selected.head));
  canvas.setAttribute("aria-label", `Attention of ${headLabel(selected)}, ${props.label}`);
}

function row(props: RankingProps, place: number): HTMLElement {
  const head = props.ranking[place];
  const item = html("li");
  if (!head) {
    return item;
  }
  const { selected } = props;
  const bar = html("span", { class: "rank-bar" });
  bar.style.width = `${Math.round(100 * head.change)}%`;
  bar.style.background = `var(--head-${head.head % 16})`;
  const button = html(
    "button",
    {
      type: "button",
      class: "rank",
      "aria-pressed": String(selected?.layer === head.layer && selected.head === head.head),
      title: `${headTitle(head)}, change ${fixed(head.change, 4)}`,
      "data-layer": head.layer,
      "data-head": head.head,
      "data-value": head.change,
    },
    html("span", { class: "rank-place" }, String(place + 1)),
    html("span", { class: "quiet" }, `L${head.layer + 1}`),
    headBadge(head.head),
    html("span", { class: "rank-track" }, bar),
    html("span", { class: "rank-value" }, fixed(head.change)),
  );
  button.addEventListener("click", () => props.onSelect({ layer: head.layer, head: head.head }));
  item.append(button);
  return item;
}
