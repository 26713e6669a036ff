// One chart as SVG: everything that stays while the slider moves, and the few marks that follow it.
import { area, line } from "d3-shape";
import type { StepEntry } from "../../core/recording";
import type { Marks } from "../../core/selection";
import {
  type Axes,
  type Box,
  type Chart,
  type ChartLine,
  chartAxes,
  chartLabel,
  endLabels,
  MARGIN,
  stretchesWithoutHeight,
  valueText,
} from "../../layout/signals/chart";
import { ringLabels } from "../../layout/signals/ring_labels";
import { fitText } from "../../scale/text";
import { setText, svg } from "../dom";
import { textWidth } from "../measure";
import { wrapped } from "../wrap";

export const HATCH = "chance-hatch";

export interface ChartScene {
  readonly chart: Chart;
  readonly box: Box;
  readonly axes: Axes;
  readonly root: SVGGElement;
  readonly mark: (marks: Marks) => void;
}

type Edge = readonly [low: number, high: number];

const defined = (value: number): boolean => Number.isFinite(value);

function linePath(axes: Axes, values: readonly number[]): string {
  const draw = line<number>()
    .defined((value, index) => defined(value) && defined(axes.x(index)))
    .x((_, index) => axes.x(index))
    .y((value) => axes.y(value));
  return draw([...values]) ?? "";
}

function bandPath(axes: Axes, low: readonly number[], high: readonly number[]): string {
  const draw = area<Edge>()
    .defined((edge) => edge.every(defined))
    .x((_, index) => axes.x(index))
    .y0(([bottom]) => axes.y(bottom))
    .y1(([, top]) => axes.y(top));
  return draw(low.map((value, index): Edge => [value, high[index] ?? Number.NaN])) ?? "";
}

function frame({ axes, box }: Pick<ChartScene, "axes" | "box">): SVGElement[] {
  const right = box.width - MARGIN.right;
  const rules = axes.ticks.flatMap(({ y, text }) => [
    svg("line", { class: "rule", x1: MARGIN.left, x2: right, y1: y, y2: y }),
    svg("text", { class: "tick-y", x: MARGIN.left - 6, y: y + 4 }, text),
  ]);
  const bottom = axes.bottom.map(({ x, text }) =>
    svg("text", { class: "tick-x", x, y: box.height - 8 }, text),
  );
  return [...rules, ...bottom];
}

function bands(chart: Chart, axes: Axes): SVGElement[] {
  const [first, second] = chart.lines;
  return [
    ...(chart.gap && first && second
      ? [svg("path", { class: "gap", d: bandPath(axes, second.values, first.values) })]
      : []),
    ...(chart.chance
      ? [
          svg("path", {
            class: "chance",
            fill: `url(#${HATCH})`,
            d: bandPath(axes, chart.chance.low, chart.chance.high),
          }),
        ]
      : []),
    ...chart.lines.flatMap(({ role, low, high }) =>
      low && high ? [svg("path", { class: `band ${role}`, d: bandPath(axes, low, high) })] : [],
    ),
  ];
}

function levels(chart: Chart, axes: Axes, box: Box): SVGElement[] {
  return (chart.levels ?? []).flatMap(({ value, text }) => {
    const y = axes.y(value);
    const above = y - 5 > MARGIN.top;
    return [
      svg("line", { class: "level", x1: MARGIN.left, x2: box.width - MARGIN.right, y1: y, y2: y }),
      svg("text", { class: "halo quiet", x: MARGIN.left + 4, y: above ? y - 4 : y + 12 }, text),
    ];
  });
}

function rings(chart: Chart, axes: Axes, box: Box): SVGElement[] {
  const all = chart.rings ?? [];
  const widths = all.map(({ text, tone }) => textWidth(text, 11, tone === "best" ? 500 : 400));
  const labels = ringLabels(chart, axes, box, widths);
  return all.flatMap(({ index, line: name, text, tone }, order) => {
    const value = chart.lines.find((known) => known.name === name)?.values[index];
    const label = labels[order];
    if (value === undefined || !label) {
      return [];
    }
    const { anchor, ...place } = label;
    return [
      svg("circle", { class: `ring ${tone}`, cx: axes.x(index), cy: axes.y(value), r: 6.5 }),
      svg("text", { class: `halo ring-text ${tone}`, ...place, "text-anchor": anchor }, text),
    ];
  });
}

/** Where a line has no height: a bar along the edge that it left by, and what it is there. */
function withoutHeight(chart: Chart, axes: Axes, box: Box): SVGElement[] {
  return chart.lines.flatMap((own, order) =>
    stretchesWithoutHeight(own).flatMap(({ from, to, text }) => {
      const [x1, x2] = [axes.x(from) - 3, axes.x(to) + 3];
      if (!(defined(x1) && defined(x2))) {
        return [];
      }
      const below = own.values[from] === Number.NEGATIVE_INFINITY;
      const y = below ? box.height - MARGIN.bottom : MARGIN.top - 4;
      const late = x1 > box.width / 2;
      const label = {
        x: late ? x2 : x1,
        y: below ? y - 5 - 13 * order : y + 12 + 13 * order,
        "text-anchor": late ? "end" : "start",
      };
      return [
        svg("line", { class: "without-height", x1, x2, y1: y, y2: y }),
        svg("text", { class: "halo without-height-text", ...label }, `${own.name} ${text}`),
      ];
    }),
  );
}

/** A dot per step where steps do not lie side by side, the first and the last one named. */
function stations({ across, lines }: Chart, axes: Axes, steps: readonly StepEntry[]): SVGElement[] {
  const values = across ? (lines[0]?.values ?? []) : [];
  const there = values.flatMap((value, index) =>
    defined(value) && defined(axes.x(index)) ? [{ x: axes.x(index), y: axes.y(value), index }] : [],
  );
  const named = new Set([there[0], there.at(-1)]);
  return there.flatMap((station) => [
    svg("circle", { class: "station", cx: station.x, cy: station.y, r: 2 }),
    ...(named.has(station)
      ? [
          svg(
            "text",
            { class: "halo quiet", x: station.x, y: station.y - 7, "text-anchor": "middle" },
            `epoch ${steps[station.index]?.epoch ?? ""}`,
          ),
        ]
      : []),
  ]);
}

const upright = (name: string, box: Box): SVGLineElement =>
  svg("line", { class: name, y1: MARGIN.top - 4, y2: box.height - MARGIN.bottom });

function place(node: SVGElement, at: number, axes: Axes): void {
  node.style.display = at < 0 ? "none" : "";
  if (at >= 0) {
    node.setAttribute("x1", axes.x(at).toFixed(2));
    node.setAttribute("x2", axes.x(at).toFixed(2));
  }
}

interface LineEnd {
  readonly line: ChartLine;
  readonly dot: SVGCircleElement;
  readonly value: SVGTextElement;
}

function ends(chart: Chart, axes: Axes, box: Box): { nodes: SVGElement[]; follow: LineEnd[] } {
  const x = box.width - MARGIN.right + 8;
  const heights = endLabels(chart, axes, box);
  const nodes: SVGElement[] = [];
  const follow = chart.lines.map((own, at): LineEnd => {
    const dot = svg("circle", { class: `point ${own.role}`, r: 3.25 });
    const y = heights[at] ?? null;
    const value = svg("text", { class: "end-value", x, y: (y ?? 0) + 13 });
    nodes.push(dot);
    if (y !== null) {
      nodes.push(svg("text", { class: `end ${own.role}`, x, y }, own.name), value);
    }
    return { line: own, dot, value };
  });
  return { nodes, follow };
}

/** Draw a chart; the returned scene's `mark` moves A, B and the values without drawing again. */
export function buildChart(chart: Chart, steps: readonly StepEntry[], box: Box): ChartScene {
  const axes = chartAxes(chart, steps, box);
  const root = svg("g", {
    class: "chart",
    role: "img",
    transform: `translate(${box.x},${box.y})`,
    "data-chart": chart.id,
  });
  const room = box.width - 22;
  const cut = (text: string, size: number, weight: number): string =>
    fitText(text, room, (part) => textWidth(part, size, weight));
  root.append(
    svg("text", { class: "chart-title", x: 14, y: 18 }, cut(chart.title, 13, 500)),
    svg("text", { class: "chart-unit", x: 14, y: 34 }, cut(chart.unit, 11, 400)),
  );
  if (chart.empty !== undefined) {
    root.append(wrapped(chart.empty, Math.min(360, box.width - 28), { x: 14, y: 62 }));
    root.setAttribute("aria-label", chartLabel(chart, axes.digits, -1));
    return { chart, box, axes, root, mark: () => undefined };
  }
  const [best, a, b] = [upright("at-best", box), upright("at-a", box), upright("at-b", box)];
  const end = ends(chart, axes, box);
  const paths = chart.lines
    .map(({ role, values }) => svg("path", { class: `line ${role}`, d: linePath(axes, values) }))
    .toReversed();
  const others = (chart.others ?? []).map(({ run, colour, dashed, values }) => {
    const path = svg("path", {
      class: "line other-run",
      d: linePath(axes, values),
      stroke: colour,
    });
    path.style.stroke = colour;
    path.style.strokeDasharray = dashed ? "5 3" : "";
    path.setAttribute("data-run", run);
    path.append(svg("title", {}, run));
    return path;
  });
  const hit = svg("rect", {
    class: "chart-hit",
    x: MARGIN.left - 6,
    y: MARGIN.top - 4,
    width: Math.max(1, box.width - MARGIN.left - MARGIN.right + 12),
    height: Math.max(1, box.height - MARGIN.top - MARGIN.bottom + 4),
  });
  root.append(
    ...frame({ axes, box }),
    ...bands(chart, axes),
    ...levels(chart, axes, box),
    best,
    b,
    ...others,
    ...paths,
    ...stations(chart, axes, steps),
    a,
    ...rings(chart, axes, box),
    ...withoutHeight(chart, axes, box),
    ...end.nodes,
    hit,
  );
  const mark = (marks: Marks): void => {
    const along = (at: number): number => (chart.across ? -1 : at);
    place(best, along(marks.best), axes);
    place(a, along(marks.a), axes);
    place(b, along(marks.b === marks.a ? -1 : marks.b), axes);
    for (const { line: own, dot, value } of end.follow) {
      const seen = own.values[marks.a] ?? Number.NaN;
      const drawn = defined(seen) && defined(axes.x(marks.a));
      dot.style.display = drawn ? "" : "none";
      if (drawn) {
        dot.setAttribute("cx", axes.x(marks.a).toFixed(2));
        dot.setAttribute("cy", axes.y(seen).toFixed(2));
      }
      setText(value, `${valueText(own, marks.a, axes.digits)} at A`);
    }
    root.setAttribute("aria-label", chartLabel(chart, axes.digits, marks.a));
  };
  return { chart, box, axes, root, mark };
}
