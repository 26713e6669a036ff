import { describe, expect, it } from "vitest";
import { carriedBy, firstCell, type Lens, readsOf, strongestCell } from "../../src/core/headlens";
import {
  hasLongNotes,
  lensEdges,
  lensGeometry,
  STRIP_GAP,
  stackShares,
  TAG_PITCH,
  tagColumns,
} from "../../src/layout/lens/lens_geometry";
import { placeWords, wordShare } from "../../src/layout/lens/word_cloud";
import { productRamp } from "../../src/scale/ramps";

describe("strongestCell", () => {
  it("finds the largest value, not the largest amount, and skips undefined cells", () => {
    const table = [
      [-9, null],
      [2, 1],
    ];
    expect(strongestCell(table)).toEqual({ query: 1, key: 0 });
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
  it.each([1196, 1028])(
    "puts the panels side by side in %i px, with values or without",
    (width) => {
      for (const hasValues of [true, false]) {
        const { table, queries, keys, values, words } = lensGeometry(16, width, hasValues);
        const panels = [table, queries, keys, ...(values === null ? [] : [values]), words];
        expect(panels).toEqual([...panels].sort((a, b) => a - b));
        expect(words).toBeLessThan(width - 90);
      }
    },
  );

  it.each([1400, 1196, 1028, 900])("lets no heading or legend cover another in %i px", (width) => {
    for (const hasValues of [true, false]) {
      const geometry = lensGeometry(16, width, hasValues);
      const { bar, strip, queries, keys, words } = geometry;
      const [first, second] = hasLongNotes(geometry) ? [71, 42] : [38, 30]; // px of the words
      expect(first).toBeLessThanOrEqual(bar + STRIP_GAP);
      expect(bar + STRIP_GAP + second).toBeLessThan(keys - queries);
      expect(second).toBeLessThan(strip + 22);
      expect(queries + tagColumns(geometry) * TAG_PITCH).toBeLessThanOrEqual(words);
    }
  });

  it("gives the table and both feature panels the same rows, whatever k", () => {
    for (const clusters of [2, 16, 24]) {
      const { pitch, top, height } = lensGeometry(clusters, 1200, true);
      expect(top + clusters * pitch).toBeCloseTo(height);
    }
  });

  it("leads the solid edge straight from the cell to its query row", () => {
    const geometry = lensGeometry(16, 1200, true);
    const [start = "", rest = ""] = lensEdges(geometry, { query: 3, key: 7 }, 0).query.split("H");
    expect(start.split(",")[1]).toBe(String(geometry.top + 3.5 * geometry.pitch));
    expect(Number(rest.split("M")[0])).toBe(geometry.queries - 2);
  });
});

describe("firstCell", () => {
  it("is the largest value between clusters of words, not where attention rests", () => {
    const side = (tags: number[][]) => ({ profile: { tags } });
    const lens = {
      tags: ["NOUN", "SOS"],
      products: [
        [9, 3],
        [8, 2],
      ],
      queries: side([
        [0, 1],
        [1, 0],
      ]),
      keys: side([
        [0.2, 0.8],
        [0.9, 0.1],
      ]),
    } as unknown as Lens;
    expect(firstCell(lens)).toEqual({ query: 1, key: 1 });
  });
});

describe("carriedBy", () => {
  it("names the value cluster that most tokens of a key cluster are in", () => {
    const side = (labels: number[]) => ({ labels });
    const lens = { keys: side([0, 0, 0, 1, 1]), values: side([2, 2, 1, 0, 3]) } as unknown as Lens;
    expect(carriedBy(lens, 0)).toBe(2);
    expect(carriedBy(lens, 1)).toBe(0);
    expect(carriedBy({ ...lens, values: null }, 0)).toBe(0);
  });
});

describe("readsOf", () => {
  it("is a multiple of the mean over all tokens, not over clusters", () => {
    const queries = { profile: { size: [3, 1, 2] } };
    const lens = { queries, reads: [1, 5, null] } as unknown as Lens;
    expect(readsOf(lens, 0)).toBe(0.5);
    expect(readsOf(lens, 1)).toBe(2.5);
    expect(readsOf(lens, 2)).toBeNull();
    expect(readsOf({ ...lens, reads: null }, 0)).toBeNull();
  });
});

describe("placeWords", () => {
  const words = [40, 20, 10, 5, 2, 1].map((count, at) => ({
    text: `word${at}`,
    count,
    tag: "NOUN",
  }));
  const measure = (text: string, size: number): number => text.length * size * 0.5;
  const box = { width: 150, height: 90 };

  it("keeps the order of frequency, inside the box, larger for the more frequent", () => {
    const placed = placeWords(words, 100, box, measure);
    expect(placed.length).toBeGreaterThan(3);
    placed.forEach((word, at) => {
      expect(word.text).toBe(words[at]?.text);
      expect(word.x + measure(word.text, word.size)).toBeLessThanOrEqual(box.width);
      expect(word.y).toBeLessThanOrEqual(box.height);
      expect(word.size).toBeLessThanOrEqual(placed[at - 1]?.size ?? Number.POSITIVE_INFINITY);
    });
  });

  it("never lets two words overlap", () => {
    const placed = placeWords(words, 100, box, measure);
    for (const [at, word] of placed.entries()) {
      for (const other of placed.slice(at + 1)) {
        const beside = word.x + measure(word.text, word.size) <= other.x;
        expect(beside || word.y < other.y).toBe(true);
      }
    }
  });

  it("gives a word the same size at every step where its share is the same", () => {
    const alone = placeWords(words.slice(2, 3), 100, box, measure);
    expect(alone[0]?.size).toBe(placeWords(words, 100, box, measure)[2]?.size);
    expect(wordShare(60, 100)).toBe(1);
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
