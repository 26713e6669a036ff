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
