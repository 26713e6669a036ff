import { describe, expect, it } from "vitest";
import type { Maps, Matrix, Series } from "../../src/core/maps";
import type { MetricSpec } from "../../src/core/recording";
import { choosingRows, headChange, rankByChange } from "../../src/layout/heads/change";
import { type ListKey, listedHeads, nextOrder, sortedList } from "../../src/layout/heads/head_list";
import {
  lifeLine,
  lineGrid,
  lineX,
  lineY,
  metricDomain,
  otherLine,
  stepPlace,
} from "../../src/layout/heads/life_lines";

const matrix = (rows: number, cols: number, ...data: number[]): Matrix => ({
  rows,
  cols,
  data: Float32Array.from(data),
});

const ALL = [true, true];

describe("headChange", () => {
  it("is 0 between a map and itself and 1 where no key is shared", () => {
    const left = matrix(2, 2, 1, 0, 1, 0);
    const right = matrix(2, 2, 0, 1, 0, 1);
    expect(headChange(left, left, ALL)).toBe(0);
    expect(headChange(left, right, ALL)).toBe(1);
    expect(headChange(left, matrix(2, 2, 1, 0, 0, 1), ALL)).toBe(0.5);
  });

  it("equals scipy.spatial.distance.jensenshannon(base=2) on a worked row", () => {
    const a = matrix(1, 3, 0.5, 0.25, 0.25);
    const b = matrix(1, 3, 0.125, 0.125, 0.75);
    expect(headChange(a, b, ALL)).toBeCloseTo(0.4433711078012595, 6);
  });

  it("is symmetric", () => {
    const a = matrix(2, 3, 0.2, 0.3, 0.5, 0.9, 0.05, 0.05);
    const b = matrix(2, 3, 0.6, 0.2, 0.2, 0.1, 0.1, 0.8);
    expect(headChange(a, b, ALL)).toBeCloseTo(headChange(b, a, ALL), 12);
  });
});

describe("queries without a choice", () => {
  const shape = { layers: 1, heads: 1, queries: 2, keys: 2, data: new Float32Array(4) };

  it("are the first of a causal text, and are left out", () => {
    const rows = choosingRows(shape, { kind: "self", causal: true });
    expect(rows).toEqual([false, true]);
    const a = matrix(2, 2, 1, 0, 1, 0);
    expect(headChange(a, matrix(2, 2, 1, 0, 0, 1), rows)).toBe(1);
    expect(headChange(a, a, [false, false])).toBeNaN();
  });

  it("are not the first of a window that begins later, nor of cross attention", () => {
    const from = { layer: 0, query: 4, key: 4, merge: 1 };
    expect(choosingRows({ ...shape, from }, { kind: "self", causal: true })).toEqual(ALL);
    expect(choosingRows(shape, { kind: "cross", causal: true })).toEqual(ALL);
  });
});

describe("rankByChange", () => {
  it("puts the most changed head first and leaves out padding", () => {
    const shape = { layers: 2, heads: 2, queries: 1, keys: 2 };
    const a: Maps = { ...shape, data: Float32Array.from([1, 0, 1, 0, 0.5, 0.5, 0, 0]) };
    const b: Maps = { ...shape, data: Float32Array.from([1, 0, 0, 1, 0.75, 0.25, 0, 0]) };
    const ranked = rankByChange(a, b, { kind: "self", causal: false }, [2, 1]);
    expect(ranked.map(({ layer, head }) => [layer, head])).toEqual([
      [0, 1],
      [1, 0],
      [0, 0],
    ]);
  });
});

const SPEC: MetricSpec = {
  name: "row_entropy",
  title: "Row entropy",
  unit: "share",
  low: 0,
  high: 1,
  reading: "",
  direction: "ascending",
  source: "",
};

/** Two metrics over three steps of one head; the first one is undefined at the second step. */
const SERIES: Series = {
  steps: [0, 10, 20],
  layers: 1,
  heads: 1,
  metrics: 2,
  data: Float32Array.from([0.25, -4, Number.NaN, 2, 0.75, 8]),
};

describe("metricDomain", () => {
  it("is the metric's own limits unless the range seen is asked for", () => {
    expect(metricDomain(SPEC, [SERIES], 0, "possible")).toEqual([0, 1]);
    expect(metricDomain(SPEC, [SERIES], 0, "seen")).toEqual([0.25, 0.75]);
  });

  it("spans all steps of an unbounded metric and keeps a limit that exists", () => {
    const open = { ...SPEC, low: null, high: null };
    expect(metricDomain(open, [SERIES], 1, "possible")).toEqual([-4, 8]);
    expect(metricDomain({ ...open, low: -10 }, [SERIES], 1, "possible")).toEqual([-10, 8]);
  });

  it("has room for a metric that never changes", () => {
    const flat = { ...SERIES, metrics: 1, data: Float32Array.from([2, 2, 2]) };
    expect(metricDomain(SPEC, [flat], 0, "seen")).toEqual([1.5, 2.5]);
  });

  it("spans the numbers beside which one is infinite, and something where all are", () => {
    const high = { ...SERIES, metrics: 1, data: Float32Array.from([2, Infinity, 5]) };
    const nothing = { ...high, data: high.data.map(() => -Infinity) };
    expect(metricDomain(SPEC, [high], 0, "seen")).toEqual([2, 5]);
    expect(metricDomain({ ...SPEC, high: null }, [high], 0, "possible")).toEqual([0, 5]);
    expect(metricDomain(SPEC, [nothing], 0, "seen")).toEqual([0, 1]);
  });
});

describe("lifeLine", () => {
  const grid = lineGrid(6, 12, { width: 962, height: 698 });

  it("breaks where the metric is undefined", () => {
    const line = lifeLine(SERIES, { layer: 0, head: 0, metric: 0 }, [0, 1], grid);
    expect(line[1]).toBeNull();
    expect(line[0]?.[0]).toBe(lineX(0, 3, grid));
    expect(line[2]?.[1]).toBe(lineY(0.75, [0, 1], grid));
  });

  it("goes to the edge of its cell where the metric is infinite", () => {
    const data = Float32Array.from([0.5, Infinity, -Infinity]);
    const head = { layer: 0, head: 0, metric: 0 };
    const line = lifeLine({ ...SERIES, metrics: 1, data }, head, [0, 1], grid);
    expect(line.map((point) => point?.[1])).toEqual([0.5, 1, 0].map((y) => lineY(y, [0, 1], grid)));
  });

  it("stays inside its cell for every value", () => {
    for (const value of [-9, 0, 0.5, 1, 9]) {
      const y = lineY(value, [0, 1], grid);
      expect(y).toBeGreaterThan(0);
      expect(y).toBeLessThan(grid.cellHeight);
    }
    expect(lineX(2, 3, grid)).toBeLessThan(grid.cellWidth);
  });

  it("fills the window when the heads fit, and scrolls when they do not", () => {
    expect(grid.width).toBeCloseTo(962);
    expect(lineGrid(48, 64, { width: 962, height: 698 }).width).toBeGreaterThan(962);
  });
});

describe("the list of heads", () => {
  const series: Series = {
    steps: [0, 10],
    layers: 2,
    heads: 2,
    metrics: 1,
    data: Float32Array.from([0.1, 0.2, 0.3, Number.NaN, 0.5, 0.25, Number.NaN, Number.NaN]),
  };
  const heads = listedHeads({
    headsPerLayer: [2, 1],
    series,
    metric: 0,
    a: 1,
    b: 0,
    ranking: [{ layer: 0, head: 1, change: 0.75 }],
    reference: null,
  });
  const order = (key: ListKey, down: boolean): string[] =>
    sortedList(heads, { key, down }).map(({ layer, head }) => `${layer}.${head}`);

  it("holds the metric at A and B, its change, and how much the maps changed", () => {
    expect(heads.map(({ a, b, change }) => [a, b, change])).toEqual([
      [0.5, expect.closeTo(0.1), Number.NaN],
      [0.25, expect.closeTo(0.2), 0.75],
      [Number.NaN, expect.closeTo(0.3), Number.NaN],
    ]);
    expect(heads[0]?.delta).toBeCloseTo(0.4);
  });

  it("compares with B in another run, and not where that run has no such head", () => {
    const other = { ...series, layers: 1, data: Float32Array.from([0.9, 0.8, 0.6, 0.4]) };
    const [first, , last] = listedHeads({
      headsPerLayer: [2, 1],
      series,
      metric: 0,
      a: 1,
      b: -1,
      ranking: [],
      reference: { series: other, metric: 0, step: 1 },
    });
    expect(first?.delta).toBeCloseTo(0.5 - 0.6);
    expect(last?.b).toBeNaN();
  });

  it("is sorted by any column, undefined values last either way", () => {
    expect(order("a", true)).toEqual(["0.0", "0.1", "1.0"]);
    expect(order("a", false)).toEqual(["0.1", "0.0", "1.0"]);
    expect(order("change", true)[0]).toBe("0.1");
    expect(order("head", true)).toEqual(["1.0", "0.1", "0.0"]);
  });

  it("turns round at a second click on a column", () => {
    const first = nextOrder({ key: "change", down: true }, "a");
    expect(first).toEqual({ key: "a", down: true });
    expect(nextOrder(first, "a")).toEqual({ key: "a", down: false });
  });
});

describe("a head of another run", () => {
  it("lies along the steps of the shown run, and is left out beyond them", () => {
    expect([0, 15, 20, 40].map((step) => stepPlace(step, [10, 20, 40]))).toEqual([
      Number.NaN,
      0.5,
      1,
      2,
    ]);
    expect(stepPlace(41, [10, 20, 40])).toBeNaN();
    const other: Series = {
      steps: [10, 30, 50],
      layers: 1,
      heads: 1,
      metrics: 1,
      data: Float32Array.from([0, 0.5, 1]),
    };
    const grid = lineGrid(1, 1, { width: 500, height: 300 });
    const points = otherLine(other, { layer: 0, head: 0, metric: 0 }, [10, 20, 40], [0, 1], grid);
    expect(points[0]?.[0]).toBeCloseTo(lineX(0, 3, grid));
    expect(points[1]?.[0]).toBeCloseTo(lineX(1.5, 3, grid));
    expect(points[2]).toBeNull();
    const absent = otherLine(other, { layer: 1, head: 0, metric: 0 }, [10], [0, 1], grid);
    expect(absent).toEqual([null, null, null]);
  });
});
