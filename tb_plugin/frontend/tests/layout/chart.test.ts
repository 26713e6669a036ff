import { describe, expect, it } from "vitest";
import {
  type Chart,
  chartAxes,
  chartDomain,
  chartLabel,
  endLabels,
  MARGIN,
  stepAt,
} from "../../src/layout/signals/chart";
import { placeRows } from "../../src/layout/signals/chart_rows";
import { ringLabels } from "../../src/layout/signals/ring_labels";

const BOX = { x: 0, y: 0, width: 400, height: 200 };
const STEPS = [0, 1, 2, 3, 4].map((epoch) => ({ epoch }));
const CHART: Chart = {
  id: "loss",
  title: "Loss",
  unit: "nats",
  lines: [
    { name: "validation", role: "val", values: [2, 1, Number.NaN, 1, 1.01] },
    { name: "training", role: "train", values: [2, 1, 0.5, 0.5, 1.0], low: [1, 1, 0.2, 0.5, 1] },
  ],
};

describe("a chart's axes", () => {
  it("span all lines and bands at all steps", () => {
    expect(chartDomain(CHART)).toEqual([0.2, 2]);
    expect(chartDomain({ ...CHART, levels: [{ value: 3, text: "alarm" }] })).toEqual([0.2, 3]);
    expect(chartDomain({ ...CHART, lines: [] })).toEqual([0, 1]);
  });

  it("leave room around a number that never changes", () => {
    const flat: Chart = { ...CHART, lines: [{ name: "x", role: "val", values: [3, 3] }] };
    expect(chartDomain(flat)).toEqual([2.5, 3.5]);
    const nothing: Chart = { ...CHART, lines: [{ name: "x", role: "val", values: [0, 0] }] };
    expect(chartDomain(nothing)).toEqual([0, 0.5]);
  });

  it("space steps equally and find the nearest one again", () => {
    const axes = chartAxes(CHART, STEPS, BOX);
    const nearest = (x: number) => stepAt(CHART, axes, 5, { x, y: 0 });
    for (const index of STEPS.keys()) {
      expect(nearest(axes.x(index) + 9)).toBe(index);
    }
    expect([nearest(-100), nearest(1000)]).toEqual([0, 4]);
    expect(stepAt(CHART, axes, 0, { x: 0, y: 0 })).toBe(-1);
  });

  it("put another number along the bottom, and find steps by both", () => {
    const line = { name: "x", role: "other" as const, values: [1, 2, 3, 2, 1] };
    const path: Chart = { ...CHART, lines: [line], across: [0, 1, Number.NaN, 1, 2] };
    const axes = chartAxes(path, STEPS, BOX);
    expect(axes.x(1)).toBe(axes.x(3));
    expect(axes.x(2)).toBeNaN();
    expect(axes.bottom.map(({ text }) => text)).toEqual(["0.0", "0.5", "1.0", "1.5", "2.0"]);
    expect(stepAt(path, axes, 5, { x: axes.x(4), y: axes.y(1) })).toBe(4);
    expect(stepAt(path, axes, 5, { x: axes.x(0) + 1, y: axes.y(1) })).toBe(0);
  });

  it.each([
    [2, 2],
    [0.05, 4],
    [0.0004, 5],
  ])("tell neighbouring values apart in a span of %d", (span, digits) => {
    const narrow: Chart = { ...CHART, lines: [{ name: "x", role: "val", values: [0, span] }] };
    expect(chartAxes(narrow, STEPS, BOX).digits).toBe(digits);
  });
});

describe("labels at the ends of lines", () => {
  it("never overlap and stay inside the chart, in the order of the lines", () => {
    const lines = [1, 1, 1, 1].map((value, at) => ({
      name: String(at),
      role: "other" as const,
      values: [0, value],
    }));
    const chart: Chart = { ...CHART, lines };
    const heights = endLabels(chart, chartAxes(chart, STEPS, BOX), BOX).map((y) => y ?? -1);
    for (let at = 1; at < heights.length; at++) {
      expect((heights[at] ?? 0) - (heights[at - 1] ?? 0)).toBeGreaterThanOrEqual(27);
    }
    expect(Math.max(...heights)).toBeLessThanOrEqual(BOX.height - MARGIN.bottom);
  });

  it("are left out for lines without a value", () => {
    const lines = [{ name: "x", role: "other" as const, values: [Number.NaN] }];
    expect(endLabels({ ...CHART, lines }, chartAxes(CHART, STEPS, BOX), BOX)).toEqual([null]);
  });
});

describe("chartLabel", () => {
  it("says what the chart shows at A and at both ends", () => {
    expect(chartLabel(CHART, 2, 1)).toBe(
      "Loss; validation 1.00 at A, 2.00 at first, 1.01 at last; " +
        "training 1.00 at A, 2.00 at first, 1.00 at last",
    );
  });
});

describe("rows of charts", () => {
  const rows = [
    { heading: null, size: "large" as const, count: 2 },
    { heading: "Context", size: "small" as const, count: 4 },
  ];

  it("fill the width, wrap, and never overlap", () => {
    const placed = placeRows(rows, { width: 900, height: 700 });
    expect(placed.boxes.map((row) => row.map(({ x, width }) => [x, width]))).toEqual([
      [
        [0, 450],
        [450, 450],
      ],
      [
        [0, 300],
        [300, 300],
        [600, 300],
        [0, 300],
      ],
    ]);
    const all = placed.boxes.flat();
    for (const [at, one] of all.entries()) {
      for (const other of all.slice(at + 1)) {
        const apart =
          one.x + one.width <= other.x ||
          other.x + other.width <= one.x ||
          one.y + one.height <= other.y ||
          other.y + other.height <= one.y;
        expect(apart).toBe(true);
      }
    }
    expect(placed.height).toBeGreaterThan(Math.max(...all.map(({ y, height }) => y + height)));
  });

  it("stand below each other in a narrow window", () => {
    const placed = placeRows(rows, { width: 400, height: 700 });
    expect(new Set(placed.boxes.flat().map(({ x }) => x))).toEqual(new Set([0]));
  });
});

describe("the words beside rings", () => {
  const STEEP = Array.from({ length: 41 }, (_, at) => ({ epoch: at }));
  const line = (at: number): number => 0.5 + Math.abs(at - 24) / 12;
  const chart: Chart = {
    ...CHART,
    lines: [
      { name: "validation", role: "val", values: STEEP.map(({ epoch }) => line(epoch)) },
      { name: "training", role: "train", values: STEEP.map(({ epoch }) => 2 - epoch / 22) },
    ],
    rings: [
      { index: 24, line: "validation", text: "best", tone: "best" },
      { index: 25, line: "validation", text: "risen", tone: "rise" },
      { index: 3, line: "gone", text: "nowhere", tone: "warn" },
    ],
  };
  const wide = { x: 0, y: 0, width: 900, height: 330 };
  const axes = chartAxes(chart, STEEP, wide);
  const widths = [118, 170, 10];
  const labels = ringLabels(chart, axes, wide, widths);

  it("cross no line, no ring and no other words, and stay inside", () => {
    const areas = labels.slice(0, 2).map((label, at) => {
      const { x = 0, y = 0, anchor } = label ?? {};
      const left = anchor === "end" ? x - (widths[at] ?? 0) : x;
      return { left, right: left + (widths[at] ?? 0), top: y - 9, bottom: y + 2 };
    });
    for (const { left, right, top, bottom } of areas) {
      expect(left).toBeGreaterThanOrEqual(MARGIN.left);
      expect(right).toBeLessThanOrEqual(wide.width - MARGIN.right);
      for (const { values } of chart.lines) {
        for (let at = 0; at <= 40; at += 0.05) {
          const [from = 0, to = 0] = [values[Math.floor(at)], values[Math.ceil(at)]];
          const x = axes.x(0) + (at / 40) * (axes.x(40) - axes.x(0));
          const y = axes.y(from + (at % 1) * (to - from));
          expect(x > left && x < right && y > top && y < bottom).toBe(false);
        }
      }
    }
    const [one, other] = areas;
    const apart =
      one &&
      other &&
      (one.right <= other.left ||
        other.right <= one.left ||
        one.bottom <= other.top ||
        other.bottom <= one.top);
    expect(apart).toBe(true);
  });

  it("are left out where the line has no number", () => {
    expect(labels[2]).toBeNull();
  });
});
