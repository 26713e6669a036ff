import { describe, expect, it } from "vitest";
import type { MetricSpec } from "../../src/core/recording";
import { barHeight, barPlace, headAt } from "../../src/layout/network/bars";
import { type NetworkShape, networkGeometry } from "../../src/layout/network/columns";
import { BY_NUMBER, sortedHeads } from "../../src/layout/network/head_sort";
import { mapGrid } from "../../src/layout/network/map_grid";
import { placeBeside } from "../../src/layout/network/place";

const spec = (name: string, direction: MetricSpec["direction"]): MetricSpec => ({
  name,
  title: name,
  unit: "1",
  low: 0,
  high: 1,
  reading: "",
  direction,
  source: "",
});

const SELF: NetworkShape = { layers: 6, queries: 15, keys: 15, cross: false };
const WINDOW = { width: 1216, height: 698 };

describe("networkGeometry", () => {
  it("gives L layers L + 1 token columns, the last one without bars", () => {
    const { columns, panels } = networkGeometry(SELF, WINDOW);
    expect(columns).toHaveLength(7);
    expect(panels).toHaveLength(6);
    expect(columns.map(({ layer }) => layer)).toEqual([0, 1, 2, 3, 4, 5, null]);
    expect(columns.at(-1)?.axis).toBe("query");
  });

  it("fills the window exactly when it is wide enough", () => {
    const { width, columns, tokenWidth } = networkGeometry(SELF, WINDOW);
    expect(width).toBeCloseTo(WINDOW.width);
    expect((columns.at(-1)?.x ?? 0) + tokenWidth).toBeCloseTo(WINDOW.width - 14);
  });

  it("gives every encoder-decoder layer its own pair of columns", () => {
    const { columns } = networkGeometry({ ...SELF, keys: 9, cross: true }, WINDOW);
    expect(columns.map(({ axis }) => axis)).toEqual(Array(6).fill(["key", "query"]).flat());
    const xs = columns.map(({ x }) => x);
    expect(xs).toEqual([...xs].sort((a, b) => a - b));
  });

  it("scrolls instead of squeezing rows below 32 px or panels below their minimum", () => {
    const long = networkGeometry({ ...SELF, layers: 24, queries: 100, keys: 100 }, WINDOW);
    expect(long.keyRow).toBe(32);
    expect(long.panelWidth).toBe(140);
    const short = networkGeometry({ ...SELF, layers: 24, queries: 40, keys: 40 }, WINDOW);
    expect(short.panelWidth).toBe(104);
    expect(long.width).toBeGreaterThan(WINDOW.width);
  });

  it("gives a few pixels of a panel where that brings the last layer into the window", () => {
    const six = networkGeometry({ ...SELF, layers: 6, queries: 65, keys: 65 }, WINDOW);
    expect(six.width).toBeLessThanOrEqual(WINDOW.width);
    const seven = networkGeometry({ ...SELF, layers: 7, queries: 65, keys: 65 }, WINDOW);
    expect(seven.panelWidth).toBe(140);
  });

  it("lowers rows to 20 px for a sentence that fits the window so, and further only when asked", () => {
    const fits = networkGeometry({ ...SELF, queries: 30, keys: 30 }, WINDOW);
    expect(fits.keyRow).toBeGreaterThanOrEqual(20);
    expect(fits.bodyHeight).toBeLessThanOrEqual(fits.visibleHeight + 1e-9);
    expect(networkGeometry({ ...SELF, queries: 40, keys: 40 }, WINDOW).keyRow).toBe(32);
    const asked = networkGeometry({ ...SELF, queries: 40, keys: 40, fit: true }, WINDOW);
    expect(asked.bodyHeight).toBeLessThanOrEqual(asked.visibleHeight + 1e-9);
    expect(asked.rowGap).toBe(1);
  });

  it("does not stretch a sentence of three words over the whole window", () => {
    expect(networkGeometry({ ...SELF, queries: 3, keys: 3 }, WINDOW).keyRow).toBe(120);
  });
});

describe("token bars", () => {
  it("are linear from 0 to 0.25 and capped above", () => {
    expect(barHeight(0.125, 21)).toBeCloseTo(10);
    expect(barHeight(0.9, 21)).toBeCloseTo(20);
  });

  it.each([1, 4, 12, 16])("are found under the pointer where they stand: %i heads", (heads) => {
    for (let head = 0; head < heads; head++) {
      const { x, width } = barPlace(head, heads, 62);
      expect([x + 0.01, x + width / 2, x + width].map((at) => headAt(at, heads, 62))).toEqual(
        new Array(3).fill(head),
      );
    }
    expect([headAt(1, heads, 62), headAt(61, heads, 62), headAt(30, 0, 62)]).toEqual(
      new Array(3).fill(null),
    );
  });
});

describe("mapGrid", () => {
  it("chooses the columns that make the maps largest", () => {
    expect(mapGrid(12, 120, 610).columns).toBe(2);
    expect(mapGrid(4, 500, 610).columns).toBe(2);
    expect(mapGrid(1, 120, 610).columns).toBe(1);
  });

  it.each([1, 2, 5, 8, 12, 16, 24])("keeps %i maps apart and inside the panel", (count) => {
    const { cells, size } = mapGrid(count, 120, 640);
    expect(cells).toHaveLength(count);
    cells.forEach((cell, index) => {
      expect(cell.x).toBeGreaterThanOrEqual(0);
      expect(cell.x + size).toBeLessThanOrEqual(120);
      for (const other of cells.slice(index + 1)) {
        const apart = Math.abs(cell.x - other.x) >= size || Math.abs(cell.y - other.y) >= size;
        expect(apart).toBe(true);
      }
    });
  });
});

describe("sortedHeads", () => {
  const metrics = [spec("col_entropy", "ascending"), spec("sink", "descending")];
  const column = [3, Number.NaN, 1, 1, Number.NaN];
  const values = new Map([
    ["col_entropy", column],
    ["sink", column],
  ]);

  it("sorts as the metric asks, ties by number, undefined last either way", () => {
    expect(sortedHeads(5, "col_entropy", values, metrics)).toEqual([2, 3, 0, 1, 4]);
    expect(sortedHeads(5, "sink", values, metrics)).toEqual([0, 2, 3, 1, 4]);
  });

  it("puts infinity where it belongs, before what is undefined", () => {
    const wide = new Map([["sink", [Number.NaN, -Infinity, 1, Infinity, -Infinity]]]);
    expect(sortedHeads(5, "sink", wide, metrics)).toEqual([3, 2, 1, 4, 0]);
    const up = [spec("sink", "ascending")];
    expect(sortedHeads(5, "sink", wide, up)).toEqual([1, 4, 2, 3, 0]);
  });

  it("keeps the heads' own order by number and where there are no values", () => {
    expect(sortedHeads(3, BY_NUMBER, values, metrics)).toEqual([0, 1, 2]);
    expect(sortedHeads(3, "prev", values, metrics)).toEqual([0, 1, 2]);
  });
});

describe("placeBeside", () => {
  const size = { width: 300, height: 200 };
  const page = { width: 1000, height: 600 };

  it("stands right of its anchor, or left where there is no room", () => {
    expect(placeBeside({ x: 100, y: 300, width: 10, height: 10 }, size, page).x).toBe(124);
    expect(placeBeside({ x: 900, y: 300, width: 10, height: 10 }, size, page).x).toBe(586);
  });

  it("leaves free what lies above, tabs and slider, also where it is taller than the rest", () => {
    const anchor = { x: 500, y: 130, width: 10, height: 10 };
    expect(placeBeside(anchor, size, page, 180).y).toBe(180);
    expect(placeBeside(anchor, { width: 300, height: 590 }, page, 180).y).toBe(180);
  });

  it("never leaves the window", () => {
    for (const [x, y] of [
      [0, 0],
      [990, 0],
      [0, 590],
      [990, 590],
      [500, 300],
    ] as const) {
      const spot = placeBeside({ x, y, width: 10, height: 10 }, size, page);
      expect(spot.x).toBeGreaterThanOrEqual(8);
      expect(spot.x + size.width).toBeLessThanOrEqual(992);
      expect(spot.y).toBeGreaterThanOrEqual(8);
      expect(spot.y + size.height).toBeLessThanOrEqual(592);
    }
  });
});
