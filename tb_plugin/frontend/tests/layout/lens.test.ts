import { describe, expect, it } from "vitest";
import { largest, strongestCell } from "../../src/core/lens";
import { lensEdges, lensGeometry, stackShares } from "../../src/layout/lens";
import { productRamp } from "../../src/scale/ramps";

describe("strongestCell", () => {
  it("finds the largest value, not the largest amount, and skips undefined cells", () => {
    const table = [
      [-9, null],
      [2, 1],
    ];
    expect(strongestCell(table)).toEqual({ query: 1, key: 0 });
    expect(largest(table)).toBe(9);
  });
});

describe("stackShares", () => {
  it("fills the bar exactly and leaves out what does not occur", () => {
    const segments = stackShares([0.5, 0, 0.25, 0.25], 96);
    expect(segments.map(({ index }) => index)).toEqual([0, 2, 3]);
    expect(segments.reduce((all, { width }) => all + width, 0)).toBeCloseTo(96);
    expect(segments[1]?.x).toBeCloseTo(48);
  });
});

describe("lensGeometry", () => {
  it.each([1200, 960])("puts the panels side by side in %i px", (width) => {
    const { table, queries, keys, words } = lensGeometry(16, width);
    expect([table, queries, keys, words]).toEqual(
      [table, queries, keys, words].sort((a, b) => a - b),
    );
    expect(words).toBeLessThan(width - 90);
  });

  it("gives the table and both feature panels the same rows, whatever k", () => {
    for (const clusters of [2, 16, 24]) {
      const { pitch, top, height } = lensGeometry(clusters, 1200);
      expect(top + clusters * pitch).toBeCloseTo(height);
    }
  });

  it("leads the solid edge straight from the cell to its query row", () => {
    const geometry = lensGeometry(16, 1200);
    const [start = "", end = ""] = lensEdges(geometry, { query: 3, key: 7 }).query.split("H");
    expect(start.split(",")[1]).toBe(String(geometry.top + 3.5 * geometry.pitch));
    expect(Number(end)).toBe(geometry.queries - 2);
  });
});

describe("productRamp", () => {
  it("is red where high and blue where low, as in the paper", () => {
    const channels = (value: number): number[] =>
      (productRamp("light").colour(value).match(/\d+/g) ?? []).map(Number);
    const [red = 0, , blue = 0] = channels(1);
    const [lowRed = 0, , lowBlue = 0] = channels(-1);
    expect(red).toBeGreaterThan(blue);
    expect(lowBlue).toBeGreaterThan(lowRed);
  });
});
