import { describe, expect, it } from "vitest";
import type { Joint, OverTime } from "../../src/core/over_time";
import { jointPlane } from "../../src/layout/heads/joint_plane";
import { BAR_HEIGHT, changeBars, pileMap, placeStepPiles } from "../../src/layout/heads/step_strip";
import { tickX } from "../../src/layout/timeline";

function history(bounds: readonly (readonly [number, number])[], changes: number[]): OverTime {
  return {
    part: "encoder",
    layer: 0,
    head: 0,
    probe: 0,
    cut: 0.15,
    sentences: 3,
    steps: Array.from({ length: changes.length + 1 }, (_, at) => 10 * at),
    changes,
    shape: [1, 2],
    piles: bounds.map(([first, last]) => ({ first, last, codes: btoa("\u00ff\u0000") })),
  };
}

describe("placeStepPiles", () => {
  it("puts pictures in order, inside the width and apart, however many there are", () => {
    for (const count of [1, 3, 12, 60]) {
      const bounds = Array.from({ length: count }, (_, at) => [at, at] as const);
      const placed = placeStepPiles(history(bounds, new Array(count - 1).fill(0.1)), 900);
      placed.forEach((pile, at) => {
        expect(pile.x).toBeGreaterThanOrEqual(0);
        expect(pile.x + pile.size).toBeLessThanOrEqual(900);
        expect(pile.x).toBeGreaterThan(placed[at - 1]?.x ?? -1);
      });
    }
  });

  it("stands over its own steps where there is room", () => {
    const [first, second] = placeStepPiles(
      history(
        [
          [0, 1],
          [2, 9],
        ],
        new Array(9).fill(0),
      ),
      900,
    );
    const middle = (tickX(2, 10, 900) + tickX(9, 10, 900)) / 2;
    expect((second?.x ?? 0) + (second?.size ?? 0) / 2).toBeCloseTo(middle, -1);
    expect(first?.to).toBe(tickX(1, 10, 900));
  });
});

describe("changeBars", () => {
  it("stand between their steps, the tallest as high as there is room", () => {
    const bars = changeBars(history([[0, 2]], [0.1, 0.4]), 900);
    expect(bars.map(({ height }) => height)).toEqual([BAR_HEIGHT / 4, BAR_HEIGHT]);
    expect(bars[0]?.x).toBe((tickX(0, 3, 900) + tickX(1, 3, 900)) / 2);
  });

  it("have no height where nothing changed", () => {
    expect(changeBars(history([[0, 1]], [0]), 900)[0]?.height).toBe(0);
    expect(changeBars(history([[0, 1]], [1e-5]), 900)[0]?.height).toBeLessThan(0.1);
  });

  it("are seen where a head changed in two hundred small steps", () => {
    const bars = changeBars(history([[0, 199]], new Array(199).fill(0.005)), 900);
    expect(bars.every(({ height }) => height === BAR_HEIGHT)).toBe(true);
  });
});

describe("pileMap", () => {
  it("decodes one byte per weight", () => {
    const { piles, shape } = history([[0, 0]], []);
    expect([...(piles[0] ? pileMap(piles[0], shape).data : [])]).toEqual([1, 0]);
  });
});

describe("jointPlane", () => {
  const points = { x: [], y: [], tag: [], word: [], probe: [] };
  const joint = (step: number): Joint => ({
    step,
    part: "encoder",
    layer: 0,
    head: 0,
    tags: [],
    tagger: "",
    basis_steps: 2,
    explained: [0.5, 0.2],
    reach: 4,
    queries: points,
    keys: points,
  });

  it("is a square in which a length is the same both ways, at every step", () => {
    const [a, b] = [0, 9].map((step) => jointPlane(joint(step), { width: 900, height: 500 }));
    for (const value of [-4, 0, 2.5]) {
      expect(a?.x(value)).toBe(b?.x(value));
      expect(a?.y(value)).toBe(b?.y(value));
    }
    expect((a?.x(1) ?? 0) - (a?.x(0) ?? 0)).toBeCloseTo((a?.y(0) ?? 0) - (a?.y(1) ?? 0));
    expect(a?.x(4)).toBeLessThanOrEqual((a?.left ?? 0) + (a?.size ?? 0));
  });
});
