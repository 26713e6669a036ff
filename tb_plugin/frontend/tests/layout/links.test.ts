import { describe, expect, it } from "vitest";
import { BACKWARDS, EVERYWHERE, evenMap } from "../../src/core/even";
import type { Matrix } from "../../src/core/maps";
import { DEFAULT_CUT } from "../../src/layout/network/layer_view";
import { cutSlider } from "../../src/layout/network/link_cut";
import { compareLinks, placeLinks, selectLinks, sinkKeys } from "../../src/layout/network/links";
import { randomNumbers } from "../random";

const MEAN: Matrix = {
  rows: 2,
  cols: 3,
  data: Float32Array.from([0.5, 0.25, 0.25, 0.75, 0.125, 0.125]),
};

const EVEN: Matrix = { rows: 2, cols: 3, data: new Float32Array(6).fill(1 / 3) };

describe("selectLinks", () => {
  it("keeps the links from the threshold on and says what share they carry", () => {
    const { links, total, share } = selectLinks(MEAN, { kind: "value", amount: 0.25 }, EVEN);
    expect(links.map(({ query, key }) => [query, key])).toEqual([
      [0, 0],
      [0, 1],
      [0, 2],
      [1, 0],
    ]);
    expect(total).toBe(6);
    expect(share).toBeCloseTo((0.5 + 0.25 + 0.25 + 0.75) / 2);
  });

  it("shows fewer links as the threshold rises, and never one of weight zero", () => {
    const zero: Matrix = { rows: 1, cols: 2, data: Float32Array.from([1, 0]) };
    expect(
      selectLinks(
        zero,
        { kind: "value", amount: 0 },
        { ...zero, data: Float32Array.from([0.5, 0.5]) },
      ).links,
    ).toHaveLength(1);
    const counts = [0, 0.13, 0.3, 0.6, 0.8].map(
      (amount) => selectLinks(MEAN, { kind: "value", amount }, EVEN).links.length,
    );
    expect(counts).toEqual([6, 4, 2, 1, 0]);
  });

  it("keeps the fewest strongest links that carry the mass", () => {
    const { links, share } = selectLinks(MEAN, { kind: "mass", amount: 0.6 }, EVEN);
    expect(links.map(({ weight }) => weight)).toEqual([0.5, 0.75]);
    expect(share).toBeCloseTo(0.625);
  });

  it("keeps the strongest k links, in reading order", () => {
    const { links } = selectLinks(MEAN, { kind: "count", amount: 3 }, EVEN);
    expect(links.map(({ query, key }) => [query, key])).toEqual([
      [0, 0],
      [0, 1],
      [1, 0],
    ]);
  });
});

/** Attention of random scores, from even (sharpness 0) to one key per query, and even attention. */
function randomMaps(size: number, sharpness: number, causal: boolean, seed: number) {
  const random = randomNumbers(seed);
  const data = new Float32Array(size * size);
  for (let query = 0; query < size; query++) {
    const keys = causal ? query + 1 : size;
    const scores = Array.from({ length: keys }, () => Math.exp(sharpness * random()));
    const sum = scores.reduce((all, score) => all + score, 0);
    data.set(
      scores.map((score) => score / sum),
      query * size,
    );
  }
  const axis = Array.from({ length: size }, (_, at) => ({
    text: "",
    members: [at],
    special: false,
  }));
  const sight = causal ? BACKWARDS : EVERYWHERE;
  return {
    mean: { rows: size, cols: size, data },
    even: evenMap(sight, axis, axis, size),
  };
}

describe("the usual cut", () => {
  it.each([4, 5, 10, 40, 65, 128])("leaves links that one can follow of %i tokens", (size) => {
    for (const causal of [false, true]) {
      for (const sharpness of [0, 0.01, 1, 4, 16, 60]) {
        const { mean, even } = randomMaps(size, sharpness, causal, size);
        const { links } = selectLinks(mean, DEFAULT_CUT, even);
        expect(links.length).toBeGreaterThanOrEqual(8);
        expect(links.length).toBeLessThanOrEqual(150);
      }
    }
  });
});

describe("a text whose attention is nearly even", () => {
  it.each([false, true])("shows a link of nearly every word, causal or not (%s)", (causal) => {
    const { mean, even } = randomMaps(64, 0.1, causal, 3);
    const { links } = selectLinks(mean, DEFAULT_CUT, even);
    expect(new Set(links.map(({ query }) => query)).size).toBeGreaterThanOrEqual(62);
  });
});

describe("placeLinks", () => {
  const frame = { top: 100, queryRow: 40, keyRow: 40, gap: 5 };
  const placed = placeLinks(selectLinks(MEAN, { kind: "value", amount: 0 }, EVEN).links, frame);

  it("draws widths linear in weight", () => {
    const [first, second] = placed;
    expect((first?.width ?? 0) / (second?.width ?? 1)).toBeCloseTo(2);
  });

  it("keeps every end inside its row", () => {
    for (const { query, key, y0, y1 } of placed) {
      expect(Math.floor((y0 - 100) / 40)).toBe(key);
      expect(Math.floor((y1 - 100) / 40)).toBe(query);
    }
  });

  it("stacks ends in the order of the other side, so that links of a row do not twist", () => {
    const fromFirst = placed.filter(({ query }) => query === 0).map(({ y1 }) => y1);
    expect(fromFirst).toEqual([...fromFirst].sort((a, b) => a - b));
  });
});

describe("compareLinks", () => {
  const matrix = (...data: number[]): Matrix => ({
    rows: 2,
    cols: 2,
    data: Float32Array.from(data),
  });

  it("tells born, lost and kept links apart and counts them", () => {
    const a = matrix(0.75, 0.25, 0.0625, 0.9375);
    const b = matrix(0.5, 0.0625, 0.25, 0.0625);
    const { links, counts, total } = compareLinks(
      a,
      b,
      { kind: "value", amount: 0.125 },
      matrix(0.5, 0.5, 0.5, 0.5),
    );
    expect(links.map(({ query, key, fate, weight }) => [query, key, fate, weight])).toEqual([
      [0, 0, "kept", 0.75],
      [0, 1, "born", 0.25],
      [1, 0, "lost", 0.25],
      [1, 1, "born", 0.9375],
    ]);
    expect(counts).toEqual({ born: 2, lost: 1, kept: 1 });
    expect(total).toBe(4);
  });

  it("leaves out links of which one side is not a number", () => {
    const b: Matrix = { ...MEAN, data: MEAN.data.slice() };
    b.data[3] = Number.NaN;
    const cut = { kind: "value", amount: 0.25 } as const;
    for (const [one, other] of [
      [MEAN, b],
      [b, MEAN],
    ] as const) {
      const { links, counts } = compareLinks(one, other, cut, EVEN);
      expect(links.map(({ query, key }) => [query, key])).not.toContainEqual([1, 0]);
      expect(counts).toEqual({ born: 0, lost: 0, kept: 3 });
    }
  });

  it("finds nothing born or lost between a step and itself, whatever the rule", () => {
    for (const cut of [
      { kind: "even", amount: 1.5 },
      { kind: "value", amount: 0.125 },
      { kind: "mass", amount: 0.6 },
      { kind: "count", amount: 3 },
    ] as const) {
      const { counts } = compareLinks(MEAN, MEAN, cut, EVEN);
      expect([counts.born, counts.lost]).toEqual([0, 0]);
      expect(counts.kept).toBe(selectLinks(MEAN, cut, EVEN).links.length);
    }
  });
});

describe("sinkKeys", () => {
  it("are keys that most of those who can see them link to, whatever their name", () => {
    const even: Matrix = { rows: 20, cols: 20, data: new Float32Array(400).fill(0.05) };
    const toFirst = Array.from({ length: 12 }, (_, query) => ({ query, key: 0, weight: 0.5 }));
    const own = Array.from({ length: 20 }, (_, at) => ({ query: at, key: at, weight: 0.5 }));
    expect([...sinkKeys([...toFirst, ...own], even)]).toEqual([0]);
    expect([...sinkKeys(own, even)]).toEqual([]);
  });
});

describe("the slider of a rule", () => {
  it("starts within its range however short the sentence", () => {
    for (const tokens of [1, 2, 3, 12, 64, 600]) {
      for (const kind of ["even", "value", "mass", "count"] as const) {
        const { min, max, start } = cutSlider(kind, tokens, tokens);
        expect(start).toBeGreaterThanOrEqual(kind === "value" ? 0.001 : min);
        expect(start).toBeLessThanOrEqual(max);
      }
    }
  });
});
