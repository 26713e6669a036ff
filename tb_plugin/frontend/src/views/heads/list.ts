// All heads in a table that can be put in any order, with a map of each.
import { line } from "d3-shape";
import type { Series } from "../../core/maps";
import type { HeadId, MetricSpec } from "../../core/recording";
import type { Marks } from "../../core/selection";
import type { ListedHead, ListKey, ListOrder } from "../../layout/heads/head_list";
import { type Domain, type LineGrid, lifeLine, type Point } from "../../layout/heads/life_lines";
import { fixed, headTitle, metricValue, signed } from "../../scale/format";
import { headBadge, html, svg } from "../dom";
import type { View } from "../view";
import { createInSight, type MapSource, paintThumb, thumbCanvas } from "./thumb";

export interface ListProps {
  readonly source: MapSource;
  readonly metric: MetricSpec;
  /** What the bars of the metric span. */
  readonly domain: Domain;
  /** What the curves span: one scale for all heads. */
  readonly seen: Domain;
  /** The metric over all steps, and its place in the series. */
  readonly series: Series | null;
  readonly metricIndex: number;
  readonly marks: Marks;
  /** In the order in which they are listed. */
  readonly heads: readonly ListedHead[];
  readonly order: ListOrder;
  readonly selected: HeadId | null;
  readonly onSort: (key: ListKey) => void;
  readonly onSelect: (head: HeadId | null) => void;
}

const THUMB = 46;

export function createHeadList(host: HTMLElement): View<ListProps> {
  const head = html("thead");
  const body = html("tbody");
  const root = html("table", { class: "head-list" }, head, body);
  host.append(root);
  const sight = createInSight();
  let props: ListProps | null = null;
  let rows: { readonly node: HTMLElement; readonly id: HeadId }[] = [];

  const build = (next: ListProps): void => {
    sight.clear();
    rows = next.heads.map((listed, at) => {
      const canvas = thumbCanvas(listed);
      canvas.style.width = canvas.style.height = `${THUMB}px`; // before it is painted, too
      const node = row(next, listed, at, canvas);
      sight.watch(node, () => {
        if (props) {
          paintThumb(canvas, props.source, listed, THUMB);
        }
      });
      node.addEventListener("click", () => {
        const held = props?.selected;
        const same = held?.layer === listed.layer && held.head === listed.head;
        props?.onSelect(same ? null : { layer: listed.layer, head: listed.head });
      });
      return { node, id: { layer: listed.layer, head: listed.head } };
    });
    head.replaceChildren(headings(next, (key) => props?.onSort(key)));
    body.replaceChildren(...rows.map(({ node }) => node));
  };

  return {
    update(next) {
      const before = props;
      props = next;
      if (!before || before.heads !== next.heads || before.metric !== next.metric) {
        build(next);
      } else if (before.source !== next.source) {
        sight.refresh();
      }
      for (const { node, id } of rows) {
        const held = next.selected;
        node.classList.toggle("selected", held?.layer === id.layer && held.head === id.head);
      }
    },
    destroy() {
      sight.clear();
      root.remove();
    },
  };
}

function headings({ metric, order }: ListProps, onSort: (key: ListKey) => void): HTMLElement {
  const columns: readonly { key: ListKey; text: string; title: string }[] = [
    { key: "head", text: "Head", title: "Layer and head" },
    { key: "a", text: `${metric.title}, A`, title: `${metric.title} at A, ${metric.unit}` },
    { key: "b", text: "B", title: `${metric.title} at B` },
    { key: "delta", text: "A − B", title: `Change of ${metric.title.toLowerCase()}` },
    {
      key: "change",
      text: "Map changed",
      title: "Mean row Jensen–Shannon distance between A and B, 0 same to 1 disjoint",
    },
  ];
  return html(
    "tr",
    {},
    html("td", { colspan: 2 }),
    ...columns.flatMap(({ key, text, title }) => {
      const sorted = order.key === key;
      const arrow = sorted ? (order.down ? " ↓" : " ↑") : "";
      const button = html("button", { type: "button", title }, text + arrow);
      button.addEventListener("click", () => onSort(key));
      const sort = sorted ? (order.down ? "descending" : "ascending") : "none";
      const heading = html("th", { scope: "col", "aria-sort": sort, "data-key": key }, button);
      return key === "head"
        ? [heading, html("td", { class: "note" }, "over all steps")]
        : [heading];
    }),
  );
}

function row(
  props: ListProps,
  listed: ListedHead,
  at: number,
  canvas: HTMLCanvasElement,
): HTMLElement {
  const { layer, head, a, b, delta, change } = listed;
  const name = html(
    "button",
    { type: "button", class: "list-head", "aria-label": headTitle(listed) },
    html("span", { class: "quiet" }, `L${layer + 1}`),
    headBadge(head),
  );
  const share = (a - props.domain[0]) / (props.domain[1] - props.domain[0]);
  return html(
    "tr",
    { "data-layer": layer, "data-head": head, "data-value": a, "data-change": change },
    html("td", { class: "rank-place" }, String(at + 1)),
    html("td", { class: "list-map" }, canvas),
    html("td", {}, name),
    html("td", { class: "list-curve" }, curveOf(props, listed)),
    html("td", {}, bar(share, head), html("output", {}, metricValue(a, 3))),
    html("td", { class: "number" }, metricValue(b, 3)),
    html("td", { class: "number" }, signed(delta, 3)),
    html("td", {}, bar(change, head), html("output", {}, fixed(change, 3))),
  );
}

const CURVE: LineGrid = {
  top: 0,
  left: 0,
  cellWidth: 190,
  cellHeight: 48,
  height: 48,
  width: 190,
};
const path = line<Point>()
  .defined((point) => point !== null)
  .x((point) => point?.[0] ?? 0)
  .y((point) => point?.[1] ?? 0);

/** The metric over all steps, with A and B on it. */
function curveOf({ series, metricIndex, seen, marks }: ListProps, listed: ListedHead): SVGElement {
  const root = svg("svg", {
    width: CURVE.width,
    height: CURVE.height,
    viewBox: `0 0 ${CURVE.width} ${CURVE.height}`,
    "aria-hidden": "true",
  });
  if (!series) {
    return root;
  }
  const points = lifeLine(series, { ...listed, metric: metricIndex }, seen, CURVE);
  const life = svg("path", { class: "life", d: path(points) });
  life.style.stroke = `var(--head-${listed.head % 16})`;
  const dot = (at: number, name: string): SVGElement[] => {
    const point = points[at];
    return point
      ? [svg("circle", { class: `dot ${name}`, r: 2.75, cx: point[0], cy: point[1] })]
      : [];
  };
  root.append(life, ...dot(marks.b, "b"), ...dot(marks.a, "a"));
  return root;
}

function bar(share: number, head: number): HTMLElement {
  const inner = html("i");
  inner.style.width = `${Number.isNaN(share) ? 0 : 100 * Math.max(0, Math.min(1, share))}%`;
  inner.style.background = `var(--head-${head % 16})`;
  return html("span", { class: "list-bar" }, inner);
}
