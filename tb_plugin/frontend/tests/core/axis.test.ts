import { describe, expect, it } from "vitest";
import { type Axis, buildAxis, hasPieces, hiddenShare, regroup } from "../../src/core/axis";
import type { Maps } from "../../src/core/maps";
import type { Tokens } from "../../src/core/recording";
import { sentenceText } from "../../src/scale/text";

const BERT: Tokens = { text: ["[CLS]", "re", "##book", "##ing", "now", "[SEP]"], special: [0, 5] };
const ALL = { hideSpecial: false, mergeWords: false };

const texts = (axis: Axis): string[] => axis.map(({ text }) => text);

/** A map whose rows sum to 1 and whose cells are all different. */
function ramp(size: number): Maps {
  const data = new Float32Array(size * size);
  for (let query = 0; query < size; query++) {
    const row = Array.from({ length: size }, (_, key) => 1 + query + 2 * key);
    const sum = row.reduce((all, value) => all + value, 0);
    row.forEach((value, key) => {
      data[query * size + key] = value / sum;
    });
  }
  return { data, layers: 1, heads: 1, queries: size, keys: size };
}

describe("buildAxis", () => {
  it("shows every token as it was recorded", () => {
    expect(texts(buildAxis(BERT, ALL))).toEqual(BERT.text);
  });

  it("shows what stands at a name beside it", () => {
    const tokens: Tokens = { text: ["#0", "age", "city"], special: [0], values: ["", "39", "##x"] };
    expect(texts(buildAxis(tokens, { ...ALL, mergeWords: true }))).toEqual([
      "#0",
      "age = 39",
      "city = ##x",
    ]);
  });

  it("marks where a document begins, and joins no word across", () => {
    const pieces: Tokens = { text: ["re", "##book", "##ing"], special: [], documents: [0, 2] };
    expect(texts(buildAxis(pieces, { ...ALL, mergeWords: true }))).toEqual(["rebook", "¦##ing"]);
    const marked: Tokens = { text: ["▁a", "▁b", "▁c"], special: [], documents: [0, 1] };
    expect(texts(buildAxis(marked, ALL))).toEqual(["▁a", "▁¦b", "▁c"]);
    expect(texts(buildAxis(marked, { ...ALL, merge: 2 }))).toEqual(["▁a ▁¦b", "▁c"]);
    expect(sentenceText(marked)).toBe("a ¦b c");
  });

  it("hides special tokens but keeps the recorded positions of the others", () => {
    const axis = buildAxis(BERT, { ...ALL, hideSpecial: true });
    expect(axis.map(({ members }) => members)).toEqual([[1], [2], [3], [4]]);
  });

  it("joins WordPiece pieces into words", () => {
    const axis = buildAxis(BERT, { ...ALL, mergeWords: true });
    expect(texts(axis)).toEqual(["[CLS]", "rebooking", "now", "[SEP]"]);
    expect(axis[1]?.members).toEqual([1, 2, 3]);
  });

  it("joins SentencePiece and byte-level pieces at their word-start marks", () => {
    const tokens = { text: ["▁un", "believ", "able", "▁flight"], special: [] };
    expect(texts(buildAxis(tokens, { ...ALL, mergeWords: true }))).toEqual([
      "▁unbelievable",
      "▁flight",
    ]);
  });

  it("never joins a word to a special token", () => {
    const tokens = { text: ["<s>", "Ġa", "b", "</s>"], special: [0, 3] };
    expect(texts(buildAxis(tokens, { ...ALL, mergeWords: true }))).toEqual(["<s>", "Ġab", "</s>"]);
  });

  it("knows whether there is anything to merge", () => {
    expect(hasPieces(BERT)).toBe(true);
    expect(hasPieces({ text: ["a", "b"], special: [] })).toBe(false);
  });
});

describe("regroup", () => {
  it("returns the same maps when nothing is hidden or merged", () => {
    const maps = ramp(6);
    const axis = buildAxis(BERT, ALL);
    expect(regroup(maps, axis, axis)).toBe(maps);
  });

  it("sums over the pieces attended to and averages over the pieces attending", () => {
    const maps = ramp(6);
    const axis = buildAxis(BERT, { ...ALL, mergeWords: true });
    const merged = regroup(maps, axis, axis);
    const cell = (query: number, key: number): number => maps.data[query * 6 + key] ?? 0;
    let expected = 0;
    for (const query of [1, 2, 3]) {
      for (const key of [1, 2, 3]) {
        expected += cell(query, key) / 3;
      }
    }
    expect(merged.data[1 * 4 + 1]).toBeCloseTo(expected, 6);
  });

  it("keeps rows summing to one when words are merged", () => {
    const axis = buildAxis(BERT, { ...ALL, mergeWords: true });
    const merged = regroup(ramp(6), axis, axis);
    for (let query = 0; query < 4; query++) {
      const row = merged.data.subarray(4 * query, 4 * query + 4);
      expect(row.reduce((all, value) => all + value, 0)).toBeCloseTo(1, 6);
    }
  });

  it("loses exactly the attention to hidden keys", () => {
    const maps = ramp(6);
    const axis = buildAxis(BERT, { ...ALL, hideSpecial: true });
    const lost = [1, 2, 3, 4].map(
      (query) => (maps.data[query * 6] ?? 0) + (maps.data[query * 6 + 5] ?? 0),
    );
    const share = hiddenShare(regroup(maps, axis, axis));
    expect(share).toBeCloseTo(lost.reduce((all, value) => all + value, 0) / 4, 6);
  });
});

describe("hiddenShare", () => {
  it("does not count heads that a layer does not have", () => {
    const data = Float32Array.from([0.25, 0.25, 0.5, 0.5, 0, 0, 0, 0]);
    expect(hiddenShare({ data, layers: 1, heads: 2, queries: 2, keys: 2 })).toBeCloseTo(0.25);
  });
});
