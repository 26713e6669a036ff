import { describe, expect, it } from "vitest";
import type { Growth } from "../../src/core/signals";
import { GROWTH_SIZE, growthPicture } from "../../src/layout/signals/growth";

const growth: Growth = {
  part: "decoder",
  head: "L1 H1",
  limit: 100,
  steps: [0, 50, 100],
  score: [10, null, 40],
  forecast: { rate: 3, at: 150, earliest: 140, latest: 170 },
  fired: 100,
  sentence: "",
};
const points = (path: string): number[][] =>
  path
    .split(/[MLZ]/)
    .filter(Boolean)
    .map((pair) => pair.split(",").map(Number));

describe("growthPicture", () => {
  it("skips what is unknown, and lets the forecast meet the limit where it says", () => {
    const { line, ahead, limit } = growthPicture(growth);
    expect(points(line)).toHaveLength(2);
    const [from, to] = points(ahead);
    expect(from).toEqual(points(line)[1]);
    expect(to?.[1]).toBeCloseTo(limit.y, 0);
    const perStep = ((from?.[0] ?? 0) - (points(line)[0]?.[0] ?? 0)) / 100;
    expect(((to?.[0] ?? 0) - (from?.[0] ?? 0)) / perStep).toBeCloseTo(50, 0);
  });
  it("shows no forecast of scores that do not grow, or have passed the limit", () => {
    for (const other of [
      { ...growth, forecast: { rate: -1, at: null, earliest: null, latest: null } },
      { ...growth, score: [10, 60, 140] },
    ]) {
      expect(growthPicture(other)).toMatchObject({ ahead: "", band: "" });
    }
  });
  it("stays inside its picture", () => {
    const never = { ...growth, forecast: { rate: 3, at: 4000, earliest: 300, latest: null } };
    for (const [x, y] of points(growthPicture(never).band)) {
      expect(x).toBeLessThanOrEqual(GROWTH_SIZE.width);
      expect(y).toBeLessThanOrEqual(GROWTH_SIZE.height);
      expect(y).toBeGreaterThanOrEqual(0);
    }
  });
});
