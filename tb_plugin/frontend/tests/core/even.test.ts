import { describe, expect, it } from "vitest";
import { buildAxis } from "../../src/core/axis";
import {
  BACKWARDS,
  EVERYWHERE,
  evenMap,
  possibleLinks,
  sightOf,
  visibleKeys,
} from "../../src/core/even";
import { keyShares, type Maps } from "../../src/core/maps";
import { selectLinks } from "../../src/layout/network/links";

const words = (count: number, pieces = false) => ({
  text: Array.from({ length: count }, (_, at) => (pieces && at % 2 === 1 ? `##${at}` : `w${at}`)),
  special: [],
});
const axis = (count: number, range?: { start: number; stop: number }) =>
  buildAxis(words(count), {
    hideSpecial: false,
    mergeWords: false,
    ...(range ? { range } : {}),
  });

/** Softmax of small noise where the mask lets it through, one head after the other. */
function masked(
  heads: number,
  queries: number,
  keys: number,
  mask: (q: number, k: number) => boolean,
): Maps {
  let state = 7;
  const random = () => {
    state = (state * 16807) % 2147483647;
    return state / 2147483647;
  };
  const data = new Float32Array(heads * queries * keys);
  for (let row = 0; row < heads * queries; row++) {
    const scores = Array.from({ length: keys }, (_, key) =>
      mask(row % queries, key) ? Math.exp(0.6 * random()) : 0,
    );
    const sum = scores.reduce((a, b) => a + b, 0);
    scores.forEach((score, key) => {
      data[row * keys + key] = score / sum;
    });
  }
  return { data, layers: 1, heads, queries, keys };
}

const SELF = { kind: "self", causal: false } as const;

describe("even attention", () => {
  it("gives every key alike what a query may see, in a causal text one more with every word", () => {
    expect([...evenMap(EVERYWHERE, axis(2), axis(4), 4).data]).toEqual(Array(8).fill(0.25));
    const causal = evenMap(BACKWARDS, axis(3), axis(3), 3);
    expect([...causal.data].map((weight) => weight.toFixed(3)).join(" ")).toBe(
      "1.000 0.000 0.000 0.500 0.500 0.000 0.333 0.333 0.333",
    );
    expect(visibleKeys({ back: 2, ahead: 0 }, 9, 10)).toBe(3);
    expect(visibleKeys({ back: 2, ahead: 2 }, 0, 10)).toBe(3);
    const packed = { ...BACKWARDS, documents: [0, 3, 5] };
    expect(Array.from({ length: 8 }, (_, query) => visibleKeys(packed, query, 8))).toEqual([
      1, 2, 3, 1, 2, 1, 2, 3,
    ]);
    expect(keyShares(evenMap(packed, axis(8), axis(8), 8))[4]).toBeCloseTo(1 / 2 / 8);
  });

  it("counts all tokens of the text, not those in sight, and joins pieces as maps do", () => {
    const window = evenMap(
      BACKWARDS,
      axis(8, { start: 4, stop: 6 }),
      axis(8, { start: 4, stop: 6 }),
      8,
    );
    expect([...window.data].map((weight) => weight.toFixed(3)).join(" ")).toBe(
      "0.200 0.000 0.167 0.167",
    );
    const joined = buildAxis(words(4, true), { hideSpecial: false, mergeWords: true });
    const map = evenMap(BACKWARDS, joined, joined, 4);
    for (const row of [0, 1]) {
      expect((map.data[2 * row] ?? 0) + (map.data[2 * row + 1] ?? 0)).toBeCloseTo(1, 6);
    }
  });

  it("has the column sums of the causal map, as a slow loop computes them", () => {
    const size = 7;
    keyShares(evenMap(BACKWARDS, axis(size), axis(size), size)).forEach((share, key) => {
      let sum = 0;
      for (let query = key; query < size; query++) {
        sum += 1 / (query + 1);
      }
      expect(share).toBeCloseTo(sum / size, 6);
    });
  });
});

describe("what a query may see", () => {
  it.each([
    ["everything", () => true, EVERYWHERE],
    ["a triangle", (q: number, k: number) => k <= q, BACKWARDS],
    ["the other triangle", (q: number, k: number) => k >= q, { back: 0, ahead: EVERYWHERE.ahead }],
    ["a window", (q: number, k: number) => k <= q && q - k <= 3, { back: 3, ahead: 0 }],
    ["a band", (q: number, k: number) => Math.abs(q - k) <= 2, { back: 2, ahead: 2 }],
  ])("is read from maps of %s", (_, mask, sight) => {
    expect(sightOf(SELF, masked(2, 12, 12, mask), 0)).toEqual(sight);
  });

  it("is what was recorded where maps say nothing", () => {
    expect(sightOf({ kind: "self", causal: true }, null, 0)).toEqual(BACKWARDS);
    expect(
      sightOf(
        { kind: "cross", causal: false },
        masked(1, 5, 9, () => true),
        0,
      ),
    ).toEqual(EVERYWHERE);
    // Two words far apart look at each other: what lies between is no mask.
    const ragged = masked(1, 12, 12, (q, k) => Math.abs(q - k) < 2 || (q === 0 && k === 5));
    expect(sightOf(SELF, ragged, 0).ahead).toBe(EVERYWHERE.ahead);
  });
});

describe("links at first sight", () => {
  const RULE = { kind: "even", amount: 1.5 } as const;

  it.each([5, 10, 15, 40, 65, 128])("are 8 to 150 among %i tokens, even or peaked", (size) => {
    for (const causal of [false, true]) {
      const sight = causal ? BACKWARDS : EVERYWHERE;
      const even = evenMap(sight, axis(size), axis(size), size);
      const nearby = Array.from({ length: size * size }, (_, cell) => {
        const [q, k] = [Math.floor(cell / size), cell % size];
        const mine = q > 0 && k === q - 1 ? 0.6 : 0;
        return 0.4 * (even.data[cell] ?? 0) + (q === 0 ? 0.6 * (k === 0 ? 1 : 0) : mine);
      });
      const maps = masked(1, size, size, (q, k) => !causal || k <= q);
      for (const data of [even.data, Float32Array.from(nearby), maps.data]) {
        const { links, total } = selectLinks({ rows: size, cols: size, data }, RULE, even);
        expect(links.length).toBeGreaterThanOrEqual(8);
        expect(links.length).toBeLessThanOrEqual(150);
        expect(total).toBe(causal ? (size * (size + 1)) / 2 : size * size);
      }
    }
  });

  it("are no more often those of the first words, in a causal text with nearly even attention", () => {
    const size = 64;
    const even = evenMap(BACKWARDS, axis(size), axis(size), size);
    const noisy = masked(1, size, size, (q, k) => k <= q);
    const { links } = selectLinks(
      { rows: size, cols: size, data: noisy.data },
      { kind: "even", amount: 1.2 },
      even,
    );
    const early = links.filter(({ query }) => query < size / 4).length / links.length;
    expect(early).toBeLessThan(0.3);
    // By weight alone all of them would be.
    const heaviest = [...noisy.data.entries()].sort((a, b) => b[1] - a[1]).slice(0, links.length);
    const byWeight = heaviest.filter(([cell]) => Math.floor(cell / size) < size / 4).length;
    expect(byWeight / links.length).toBeGreaterThan(0.7);
  });

  it("counts the pairs that can be linked", () => {
    expect(possibleLinks(evenMap(BACKWARDS, axis(4), axis(4), 4))).toBe(10);
  });
});
