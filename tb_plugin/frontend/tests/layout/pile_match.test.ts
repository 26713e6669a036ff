import { describe, expect, it } from "vitest";
import { assign } from "../../src/layout/network/assignment";
import { matchPiles, pileLetter } from "../../src/layout/network/pile_match";

function permutations(items: readonly number[]): number[][] {
  return items.length === 0
    ? [[]]
    : items.flatMap((item) =>
        permutations(items.filter((other) => other !== item)).map((rest) => [item, ...rest]),
      );
}

/** A small generator of the same numbers on every machine (Park and Miller 1988). */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}

const total = (costs: readonly (readonly number[])[], given: readonly number[]): number =>
  given.reduce((sum, column, row) => sum + (column < 0 ? 0 : (costs[row]?.[column] ?? 0)), 0);

describe("assign", () => {
  it("finds what trying every permutation finds", () => {
    const next = numbers(7);
    for (let trial = 0; trial < 60; trial++) {
      const size = 1 + Math.floor(next() * 6);
      const costs = Array.from({ length: size }, () =>
        Array.from({ length: size }, () => Math.round(next() * 20 - 10)),
      );
      const given = assign(costs);
      expect(new Set(given).size).toBe(size);
      const best = Math.min(
        ...permutations([...Array(size).keys()]).map((order) => total(costs, order)),
      );
      expect(total(costs, given)).toBe(best);
    }
  });

  it("leaves rows over where there are fewer columns, and columns where there are fewer rows", () => {
    expect(assign([[-1], [-5], [-2]])).toEqual([-1, 0, -1]);
    expect(assign([[-1, -9, -3]])).toEqual([1]);
    expect(assign([])).toEqual([]);
  });
});

describe("matchPiles", () => {
  it("gives a pile the number of the one it shares most heads with, whatever their order", () => {
    const before = [[0, 1, 2], [3, 4], [5]];
    const match = matchPiles(before, [[3, 4, 5], [1, 2], [0]]);
    expect(match.names).toEqual([1, 0, 3]);
  });

  it("agrees fully with itself under any order, and hardly by chance", () => {
    expect(
      matchPiles(
        [
          [0, 1],
          [2, 3],
        ],
        [
          [2, 3],
          [0, 1],
        ],
      ),
    ).toEqual({ names: [1, 0], agreement: 1 });
    expect(
      matchPiles(
        [
          [0, 1],
          [2, 3],
        ],
        [
          [0, 2],
          [1, 3],
        ],
      ).agreement,
    ).toBeCloseTo(-0.5);
    expect(matchPiles([[0], [1]], [[0], [1]]).agreement).toBe(1);
  });
});

describe("pileLetter", () => {
  it("counts on after z", () => {
    expect([0, 25, 26, 51, 52].map(pileLetter)).toEqual(["a", "z", "aa", "az", "ba"]);
  });
});
