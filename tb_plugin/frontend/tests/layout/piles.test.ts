import { describe, expect, it } from "vitest";
import { headMap, type Maps } from "../../src/core/maps";
import type { PileTree } from "../../src/core/recording";
import { shownPile } from "../../src/layout/network/network_numbers";
import { namedPiles } from "../../src/layout/network/pile_match";
import { PILE_LIMIT, pilesAt, placePiles } from "../../src/layout/network/pile_places";

/** Five heads: 1 and 3 merge at 0.1, 0 and 4 at 0.2, both piles at 0.4, head 2 joins beyond. */
const TREE: PileTree = {
  heads: 5,
  linkage: "average",
  cophenetic: 0.9,
  merges: [
    [1, 3, 0.1, 2],
    [0, 4, 0.2, 2],
    [5, 6, 0.4, 4],
    [2, 7, 0.9, 5],
  ],
};

describe("pilesAt", () => {
  it("has a pile per head at distance zero and one pile at the slider's end", () => {
    expect(pilesAt(TREE, 0)).toEqual([[0], [1], [2], [3], [4]]);
    expect(pilesAt(TREE, PILE_LIMIT)).toEqual([[0, 1, 2, 3, 4]]);
  });

  it("does every merge up to the distance, the one at the distance included", () => {
    expect(pilesAt(TREE, 0.1)).toEqual([[1, 3], [0], [2], [4]]);
    expect(pilesAt(TREE, 0.25)).toEqual([[0, 4], [1, 3], [2]]);
    expect(pilesAt(TREE, 0.5)).toEqual([[0, 1, 3, 4], [2]]);
  });

  it("keeps every head in exactly one pile at every distance", () => {
    for (let distance = 0; distance <= PILE_LIMIT; distance += 0.05) {
      const heads = pilesAt(TREE, distance).flat();
      expect(heads.sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4]);
    }
  });
});

describe("namedPiles", () => {
  it("names piles after those of another step and puts them in that order", () => {
    const later: PileTree = {
      ...TREE,
      merges: [
        [1, 4, 0.1, 2],
        [0, 2, 0.2, 2],
      ],
    };
    const { piles, agreement } = namedPiles(later, TREE, 0.25);
    expect(piles).toEqual([
      { heads: [1, 4], name: 0 },
      { heads: [3], name: 1 },
      { heads: [0, 2], name: 2 },
    ]);
    expect(agreement).toBeLessThan(1);
    expect(namedPiles(TREE, TREE, 0.25).agreement).toBe(1);
    expect(namedPiles(TREE, null, 0.25).agreement).toBeNull();
  });
});

describe("placePiles", () => {
  it.each([0, 0.1, 0.25, 0.5, PILE_LIMIT])("keeps piles apart at distance %f", (distance) => {
    const places = placePiles(namedPiles(TREE, null, distance).piles, 120, 600);
    places.forEach((place, index) => {
      expect(place.x).toBeGreaterThanOrEqual(0);
      expect(place.x + place.size).toBeLessThanOrEqual(120);
      for (const other of places.slice(index + 1)) {
        const beside = Math.abs(place.x - other.x) >= Math.min(place.size, other.size);
        const below = other.y >= place.y + place.size;
        expect(beside || below).toBe(true);
      }
    });
  });
});

describe("placePiles of many piles", () => {
  const heads = (count: number, each: number) =>
    Array.from({ length: count }, (_, at) => ({
      heads: Array.from({ length: each }, (_, head) => each * at + head),
      name: at,
    }));

  it("stands two beside each other where that makes them larger", () => {
    const places = placePiles(heads(6, 2), 220, 600);
    expect(new Set(places.map(({ x }) => x)).size).toBe(2);
    expect(Math.max(...places.map(({ x, size }) => x + size))).toBeLessThanOrEqual(220);
    expect(new Set(placePiles(heads(3, 2), 220, 600).map(({ x }) => x)).size).toBe(1);
  });

  it("draws heads that lie on no pile as large as the panel allows", () => {
    const places = placePiles(heads(4, 1), 220, 612);
    expect(new Set(places.map(({ x }) => x)).size).toBe(1);
    expect(places[0]?.size).toBeGreaterThan(130);
    expect(Math.max(...places.map(({ y, size }) => y + size))).toBeLessThanOrEqual(612);
    expect(new Set(placePiles(heads(4, 1), 500, 612).map(({ x }) => x)).size).toBe(2);
  });

  it("draws no single head larger than a pile", () => {
    const piles = [...heads(5, 2), ...heads(6, 1)];
    const sizes = placePiles(piles, 220, 612).map(
      ({ heads, size }) => [heads.length, size] as const,
    );
    const most = (count: number) =>
      Math.max(...sizes.filter(([of]) => of === count).map(([, size = 0]) => size));
    expect(most(1)).toBeLessThanOrEqual(most(2));
  });
});

describe("shownPile", () => {
  const maps: Maps = {
    layers: 1,
    heads: 2,
    queries: 1,
    keys: 2,
    data: Float32Array.from([1, 0, 0.5, 0.5]),
  };

  it("is the mean of its heads, and one head's own map for a pile of one", () => {
    expect([...shownPile(maps, null, 0, [0, 1]).data]).toEqual([0.75, 0.25]);
    expect(shownPile(maps, null, 0, [1]).data).toEqual(headMap(maps, 0, 1).data);
  });

  it("is the mean change in a comparison", () => {
    const before = { ...maps, data: Float32Array.from([0, 1, 0.5, 0.5]) };
    expect([...shownPile(maps, before, 0, [0, 1]).data]).toEqual([0.5, -0.5]);
  });
});
