// How many edges the graph opens with, and which: for every kind of model.
import { describe, expect, it } from "vitest";
import { BACKWARDS, EVERYWHERE, evenMap } from "../../src/core/even";
import type { Matrix } from "../../src/core/maps";
import { graphPlane, isSink } from "../../src/layout/graph/graph_planes";
import { graphRule, INITIAL_GRAPH } from "../../src/state/view_state";
import { randomNumbers } from "../random";

const LEAST = 8;
const MOST = 150;

const axisOf = (tokens: number, special: readonly number[]) =>
  Array.from({ length: tokens }, (_, at) => ({
    text: `w${at}`,
    special: special.includes(at),
    members: [at],
  }));

/** Attention of peaked heads; `sharp` 0 is exactly even attention. */
function attention(tokens: number, causal: boolean, sharp: number, seed: number): Matrix {
  const random = randomNumbers(seed);
  const data = new Float32Array(tokens * tokens);
  for (let query = 0; query < tokens; query++) {
    const seen = causal ? query + 1 : tokens;
    const row = Array.from({ length: seen }, (_, key) =>
      Math.exp(sharp * (random() + (key === query - 1 ? 4 : 0) + (key === 0 ? 3 : 0))),
    );
    const sum = row.reduce((all, value) => all + value, 0);
    row.forEach((value, key) => {
      data[query * tokens + key] = value / sum;
    });
  }
  return { data, rows: tokens, cols: tokens };
}

const opened = (tokens: number, causal: boolean, map: Matrix, before: Matrix | null = null) => {
  const axis = axisOf(tokens, causal ? [] : [0]);
  const even = evenMap(causal ? BACKWARDS : EVERYWHERE, axis, axis, tokens);
  const layers = { start: 0, stop: 1 };
  return graphPlane(
    { layers, map, before, query: axis, key: axis, even, causal },
    graphRule(INITIAL_GRAPH),
  );
};

const MODELS = [
  { name: "5 features", tokens: 6, causal: false },
  { name: "10 words", tokens: 10, causal: false },
  { name: "40 words", tokens: 40, causal: false },
  { name: "65 patches", tokens: 65, causal: false },
  { name: "64 of a GPT", tokens: 64, causal: true },
  { name: "128 of a GPT", tokens: 128, causal: true },
];

describe("a fresh graph", () => {
  it.each(MODELS)("shows as many edges as can be followed: $name", ({ tokens, causal }) => {
    // A long text takes the longest: two steps of it are enough.
    for (const sharp of tokens > 100 ? [0, 2] : [0, 0.01, 0.5, 2]) {
      const [a, b] = [1, 2].map((seed) => attention(tokens, causal, sharp, seed));
      for (const plane of [
        opened(tokens, causal, a as Matrix),
        opened(tokens, causal, a as Matrix, b as Matrix),
      ]) {
        expect(plane.kept.length).toBeGreaterThanOrEqual(LEAST);
        expect(plane.kept.length).toBeLessThanOrEqual(MOST);
        expect(plane.kept.length).toBeLessThan(plane.all.length);
      }
    }
  });

  it("prefers no place of a causal text where attention is even", () => {
    const tokens = 64;
    for (const sharp of [0, 0.001]) {
      const { kept } = opened(tokens, true, attention(tokens, true, sharp / 1000, 3));
      const ends = kept.flatMap(({ from, to }) => [from, to]);
      const early = ends.filter((token) => token < tokens / 2).length / ends.length;
      expect(early).toBeGreaterThan(0.35);
      expect(early).toBeLessThan(0.65);
    }
  });

  it("gives every word its strongest edge", () => {
    const { kept } = opened(40, false, attention(40, false, 1, 5));
    const touched = new Set(kept.flatMap(({ from, to }) => [from, to]));
    expect(touched.size).toBe(39); // all but the special token
  });

  it("leaves out the first token of a causal text, which all see, but of no short one", () => {
    const axis = axisOf(20, []);
    expect(isSink(axis, 0, true)).toBe(true);
    expect(isSink(axis, 1, true)).toBe(false);
    expect(isSink(axis, 0, false)).toBe(false);
    expect(isSink(axisOf(4, []), 0, true)).toBe(false);
  });
});
