// Layers x heads of small curves: every head's metric over all recorded steps.
import { line } from "d3-shape";
import { seriesValue } from "../../core/maps";
import type { HeadId } from "../../core/recording";
import {
  CELL_GAP,
  type Domain,
  type LineGrid,
  lifeLine,
  lineGrid,
  lineX,
  lineY,
  metricDomain,
  otherLine,
  type Point,
  widened,
} from "../../layout/heads/life_lines";
import { headTitle, metricValue, signed } from "../../scale/format";
import { headBadge, html, setText, svg } from "../dom";
import { createTooltip } from "../tooltip";
import type { View } from "../view";
import type { HeadsProps } from "./heads_props";

interface CellNodes extends HeadId {
  readonly root: SVGGElement;
  readonly a: SVGCircleElement;
  readonly b: SVGCircleElement;
  readonly value: SVGTextElement;
}

/** px of a cell below which a number would hide its curve: only the cell pointed at says it. */
const TIGHT = { width: 64, height: 56 };

const isTight = ({ cellWidth, cellHeight }: LineGrid): boolean =>
  cellWidth < TIGHT.width && cellHeight < TIGHT.height;

interface Scene {
  readonly grid: LineGrid;
  readonly domain: Domain;
  readonly cells: readonly CellNodes[];
}

const curve = line<Point>()
  .defined((point) => point !== null)
  .x((point) => point?.[0] ?? 0)
  .y((point) => point?.[1] ?? 0);

export function createHeadsGrid(host: HTMLElement): View<HeadsProps> {
  const numbers = html("div", { class: "grid-heads" });
  const picture = svg("svg", { class: "grid-picture" });
  const root = html("div", { class: "grid" }, numbers, picture);
  const tooltip = createTooltip(root);
  host.append(root);
  let props: HeadsProps | null = null;
  let scene: Scene | null = null;
  const byNode = new Map<Element, CellNodes>();

  const cellOf = (event: Event): CellNodes | null => {
    const node = event.target instanceof Element ? event.target.closest("g.cell") : null;
    return node ? (byNode.get(node) ?? null) : null;
  };
  picture.addEventListener("click", (event) => {
    const cell = cellOf(event);
    if (cell && props) {
      const same = props.selected?.layer === cell.layer && props.selected.head === cell.head;
      props.onSelect(same ? null : { layer: cell.layer, head: cell.head });
    }
  });
  picture.addEventListener("keydown", (event) => {
    const cell = event.key === "Enter" ? cellOf(event) : null;
    if (cell) {
      props?.onSelect({ layer: cell.layer, head: cell.head });
    }
  });
  picture.addEventListener("pointermove", (event) => {
    const cell = cellOf(event);
    if (cell && props) {
      tooltip.show(event, describe(props, cell));
    } else {
      tooltip.hide();
    }
  });
  picture.addEventListener("pointerleave", () => tooltip.hide());

  return {
    update(next) {
      if (!props || !scene || changesScene(props, next)) {
        scene = build(next, picture, numbers);
        byNode.clear();
        for (const cell of scene.cells) {
          byNode.set(cell.root, cell);
        }
      }
      props = next;
      for (const cell of scene.cells) {
        mark(next, scene, cell);
      }
    },
    destroy() {
      tooltip.destroy();
      root.remove();
    },
  };
}

/** Curves are drawn again for other numbers or another window, not for another step. */
function changesScene(before: HeadsProps, next: HeadsProps): boolean {
  return (
    before.viewport !== next.viewport ||
    before.part !== next.part ||
    before.metric !== next.metric ||
    before.reach !== next.reach ||
    before.others !== next.others ||
    before.marks.best !== next.marks.best ||
    before.curves.length !== next.curves.length ||
    next.curves.some(({ series }, at) => before.curves[at]?.series !== series)
  );
}

function build(props: HeadsProps, picture: SVGSVGElement, numbers: HTMLElement): Scene {
  const { part, viewport, metric, metricIndex, curves } = props;
  const heads = Math.max(...part.layers.map((layer) => layer.heads));
  const grid = lineGrid(part.layers.length, heads, viewport);
  const domain = widened(
    metricDomain(
      metric,
      curves.map(({ series }) => series),
      metricIndex,
      props.reach,
    ),
    props.others.map((other) => metricDomain(metric, [other.series], other.metric, props.reach)),
  );
  const cells = part.layers.flatMap((layer, at) =>
    Array.from({ length: layer.heads }, (_, head) =>
      buildCell(props, grid, domain, { layer: at, head }),
    ),
  );
  const names = part.layers.flatMap((_, layer) => {
    const top = grid.top + layer * grid.cellHeight;
    const limit = (value: number): SVGTextElement =>
      svg(
        "text",
        {
          class: "grid-limit",
          x: grid.left - 4,
          y:
            top +
            Math.min(grid.cellHeight - CELL_GAP - 1, Math.max(11, lineY(value, domain, grid) + 4)),
          "text-anchor": "end",
        },
        limitText(value, domain),
      );
    const name = { class: "grid-layer", x: 8, y: top + 0.5 * grid.cellHeight + 2 };
    return [svg("text", name, `L${layer + 1}`), limit(domain[1]), limit(domain[0])];
  });
  picture.setAttribute("width", String(grid.width));
  picture.setAttribute("height", String(grid.height));
  picture.classList.toggle("tight", isTight(grid));
  picture.replaceChildren(...names, ...cells.map(({ root }) => root));
  numbers.style.width = `${grid.width}px`;
  numbers.replaceChildren(...Array.from({ length: heads }, (_, head) => placedBadge(head, grid)));
  return { grid, domain, cells };
}

/** An end of the axis; nothing is what cannot be told from nothing at this height. */
const limitText = (value: number, [low, high]: Domain): string =>
  Math.abs(value) < 0.005 * (high - low) ? "0" : metricValue(value);

function placedBadge(head: number, grid: LineGrid): HTMLElement {
  const badge = headBadge(head);
  const middle = grid.left + (head + 0.5) * grid.cellWidth - CELL_GAP / 2;
  badge.style.left = `${middle}px`;
  return badge;
}

function buildCell(props: HeadsProps, grid: LineGrid, domain: Domain, id: HeadId): CellNodes {
  const { part, metricIndex, curves, marks } = props;
  const count = curves[0]?.series.steps.length ?? 0;
  const root = svg("g", {
    class: "cell",
    transform: `translate(${grid.left + id.head * grid.cellWidth},${grid.top + id.layer * grid.cellHeight})`,
    tabindex: 0,
    role: "button",
    "data-layer": id.layer,
    "data-head": id.head,
  });
  const box = svg("rect", {
    class: "cell-box",
    width: grid.cellWidth - CELL_GAP,
    height: grid.cellHeight - CELL_GAP,
    rx: 2,
  });
  root.append(box);
  const uniform = part.uniform[id.layer]?.[metricIndex];
  if (typeof uniform === "number" && uniform >= domain[0] && uniform <= domain[1]) {
    const y = lineY(uniform, domain, grid);
    root.append(svg("line", { class: "uniform", ...across(grid), y1: y, y2: y }));
  }
  if (marks.best >= 0) {
    const x = lineX(marks.best, count, grid);
    const down = { y1: 3, y2: grid.cellHeight - CELL_GAP - 3 };
    root.append(svg("line", { class: "best-line", x1: x, x2: x, ...down }));
  }
  for (const other of props.others) {
    const steps = curves[0]?.series.steps ?? [];
    const points = otherLine(other.series, { ...id, metric: other.metric }, steps, domain, grid);
    const path = svg("path", {
      class: "life other-life",
      d: curve(points),
      "data-run": other.name,
    });
    path.style.stroke = other.colour;
    root.append(path);
  }
  for (const { series, dashed } of [...curves].reverse()) {
    const path = svg("path", {
      class: dashed ? "life dashed" : "life",
      d: curve(lifeLine(series, { ...id, metric: metricIndex }, domain, grid)),
    });
    path.style.stroke = `var(--head-${id.head % 16})`;
    root.append(path);
  }
  const b = svg("circle", { class: "dot b", r: 2.75 });
  const a = svg("circle", { class: "dot a", r: 3 });
  const value = svg("text", { class: "cell-value", x: grid.cellWidth - CELL_GAP - 5 });
  root.append(b, a, value);
  return { ...id, root, a, b, value };
}

const across = (grid: LineGrid): { x1: number; x2: number } => ({
  x1: 4,
  x2: grid.cellWidth - CELL_GAP - 4,
});

function valueAt(props: HeadsProps, { layer, head }: HeadId, step: number): number {
  const series = props.curves[0]?.series;
  return series && step >= 0
    ? seriesValue(series, step, layer, head, props.metricIndex)
    : Number.NaN;
}

/** The value at B, in this run or in another one. */
function referenceValue(props: HeadsProps, cell: HeadId): number {
  const { otherReference: other } = props;
  if (other) {
    const { layer, head } = cell;
    const there = layer < other.series.layers && head < other.series.heads;
    return there ? seriesValue(other.series, other.step, layer, head, other.metric) : Number.NaN;
  }
  return valueAt(props, cell, props.marks.b);
}

/** What follows the slider: two dots and a number. */
function mark(props: HeadsProps, { grid, domain }: Scene, cell: CellNodes): void {
  const count = props.curves[0]?.series.steps.length ?? 0;
  const { a, b } = props.marks;
  const valueA = valueAt(props, cell, a);
  place(cell.a, a, valueA);
  place(cell.b, b, valueAt(props, cell, b));
  const before = referenceValue(props, cell);
  const low = lineY(valueA, domain, grid) > grid.cellHeight / 2;
  cell.value.setAttribute("y", String(low ? 15 : grid.cellHeight - CELL_GAP - 6));
  const change = valueA - before;
  const undefinedMap = Number.isNaN(valueA) && props.isNaN(cell);
  cell.root.classList.toggle("nan", undefinedMap);
  const shown = props.compared ? signed(change) : metricValue(valueA);
  setText(cell.value, undefinedMap ? "NaN" : shown);
  const { selected } = props;
  cell.root.classList.toggle(
    "selected",
    selected?.layer === cell.layer && selected.head === cell.head,
  );
  cell.root.setAttribute("data-value", String(valueA));
  cell.root.setAttribute(
    "aria-label",
    `${headTitle(cell)}, ${props.metric.title} ${metricValue(valueA)}${props.compared ? `, change ${signed(change)}` : ""}`,
  );

  function place(dot: SVGCircleElement, step: number, value: number): void {
    dot.style.display = Number.isNaN(value) ? "none" : "";
    if (!Number.isNaN(value)) {
      dot.setAttribute("cx", lineX(step, count, grid).toFixed(2));
      dot.setAttribute("cy", lineY(value, domain, grid).toFixed(2));
    }
  }
}

function describe(
  props: HeadsProps,
  cell: CellNodes,
): { text: string; tone?: "strong" | "quiet" }[] {
  const { metric, metricIndex, marks, part, curves } = props;
  const uniform = part.uniform[cell.layer]?.[metricIndex];
  const others = curves.slice(1).map(({ name, series }) => ({
    text: `${name}: A ${metricValue(seriesValue(series, marks.a, cell.layer, cell.head, metricIndex), 4)}`,
  }));
  return [
    { text: headTitle(cell), tone: "strong" },
    {
      text: `${metric.title}: A ${metricValue(valueAt(props, cell, marks.a), 4)} · B ${metricValue(referenceValue(props, cell), 4)}`,
    },
    ...others,
    ...props.others.map(({ name, series, metric: at }) => {
      const step = curves[0]?.series.steps[marks.a];
      const index = step === undefined ? -1 : series.steps.indexOf(step);
      const value = index >= 0 ? seriesValue(series, index, cell.layer, cell.head, at) : Number.NaN;
      return { text: `${name}: ${metricValue(value, 4)}` };
    }),
    { text: `even attention ${metricValue(uniform ?? Number.NaN, 4)} · ${metric.unit}` },
    { text: metric.reading, tone: "quiet" },
  ];
}
