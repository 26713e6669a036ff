import { describe, expect, it } from "vitest";
import {
  difference,
  headMap,
  keyShares,
  type Maps,
  meanOverHeads,
  strongest,
} from "../../src/core/maps";

const MAPS: Maps = {
  layers: 2,
  heads: 2,
  queries: 2,
  keys: 2,
  data: Float32Array.from([1, 0, 0, 1, 0.5, 0.5, 0.25, 0.75, 0.2, 0.8, 0.6, 0.4, 0, 0, 0, 0]),
};

describe("maps", () => {
  it("finds a head's map at [layer][head]", () => {
    expect([...headMap(MAPS, 0, 1).data]).toEqual([0.5, 0.5, 0.25, 0.75]);
  });

  it("lets the strongest weight or change stand for its neighbours, and NaN for itself", () => {
    const row = (...weights: number[]) => ({ rows: 1, cols: 4, data: Float32Array.from(weights) });
    expect([...strongest(row(0.5, 0.25, -0.5, 0.25), 1, 2).data]).toEqual([0.5, -0.5]);
    expect([...strongest(row(0.5, Number.NaN, Number.NaN, 1), 1, 2).data]).toEqual([
      Number.NaN,
      Number.NaN,
    ]);
    const small = row(1, 0, 0, 0);
    expect(strongest(small, 5, 5)).toBe(small);
  });

  it("averages over the heads a layer has, not over its padding", () => {
    expect([...meanOverHeads(MAPS, 0, 2).data]).toEqual([0.75, 0.25, 0.125, 0.875]);
    expect([...meanOverHeads(MAPS, 1, 1).data]).toEqual([...headMap(MAPS, 1, 0).data]);
  });

  it("gives each key its column sum over the number of queries", () => {
    const shares = keyShares(headMap(MAPS, 0, 1));
    expect([...shares]).toEqual([0.375, 0.625]);
    expect(shares.reduce((all, share) => all + share, 0)).toBeCloseTo(1);
  });

  it("subtracts cell by cell", () => {
    const change = difference(headMap(MAPS, 0, 0), headMap(MAPS, 0, 1));
    expect([...change.data]).toEqual([0.5, -0.5, -0.25, 0.25]);
  });
});
