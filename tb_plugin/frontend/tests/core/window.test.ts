import { describe, expect, it } from "vitest";
import { buildAxis, regroup } from "../../src/core/axis";
import { cutOf, isWhole } from "../../src/core/cut";
import { headMap, holdsLayer, type Maps } from "../../src/core/maps";
import { coarseMarks, type Part, type Probe } from "../../src/core/recording";
import { layerRange, movedRange, rangeText, sizeOf, tokenRange } from "../../src/core/window";

const part = (layers: number, heads: number): Part => ({
  name: "encoder",
  kind: "self",
  causal: false,
  layers: Array.from({ length: layers }, () => ({
    name: "l",
    heads,
    evidence: "model" as const,
    error: null,
  })),
  uniform: [],
});

const sentence = (tokens: number): Probe => ({
  index: 0,
  split: "val",
  source: { text: Array.from({ length: tokens }, (_, at) => `w${at}`), special: [0] },
  target: null,
});

const UNCHOSEN = { tokens: null, depth: null, someLayers: true };

describe("windows", () => {
  it("show a sentence whole and the start of a long text", () => {
    expect(tokenRange(null, 64)).toEqual({ start: 0, stop: 64 });
    expect(tokenRange(null, 512)).toEqual({ start: 0, stop: 64 });
  });

  it("never leave the text", () => {
    expect(tokenRange({ start: 500, length: 64, merge: 1 }, 512)).toEqual({
      start: 448,
      stop: 512,
    });
    expect(tokenRange({ start: 500, length: 64, merge: 1 }, 20)).toEqual({ start: 0, stop: 20 });
  });

  it("hold at most 128 marks, however many tokens a link asks for", () => {
    expect(sizeOf(tokenRange({ start: 0, length: 9999, merge: 1 }, 9999))).toBe(128);
    expect(sizeOf(tokenRange({ start: 0, length: 512, merge: 8 }, 512))).toBe(512);
  });

  it("show all layers of a shallow model and eight of a deep one", () => {
    expect(layerRange(null, 12)).toEqual({ start: 0, stop: 12 });
    expect(layerRange(null, 24)).toEqual({ start: 0, stop: 8 });
    expect(layerRange({ start: 20, length: 8 }, 24)).toEqual({ start: 16, stop: 24 });
  });

  it("move by their own size and stop at the ends", () => {
    expect(movedRange({ start: 0, stop: 64 }, 1, 100)).toBe(36);
    expect(movedRange({ start: 36, stop: 100 }, -1, 100)).toBe(0);
  });

  it("are told counted from one", () => {
    expect(rangeText({ start: 0, stop: 64 }, 512)).toBe("1–64 of 512");
    expect(rangeText({ start: 0, stop: 24 }, 24)).toBe("all 24");
  });
});

describe("cutOf", () => {
  it("asks for nothing special where all is shown", () => {
    const cut = cutOf(part(6, 12), sentence(64), UNCHOSEN);
    expect(isWhole(cut, part(6, 12), sentence(64))).toBe(true);
  });

  it("asks for eight layers and 64 tokens of a large recording, and for all layers to join them", () => {
    const model = part(24, 16);
    expect(cutOf(model, sentence(512), UNCHOSEN)).toEqual({
      query: { start: 0, stop: 64 },
      key: { start: 0, stop: 64 },
      merge: 1,
      layers: { start: 0, stop: 8 },
    });
    const joined = cutOf(model, sentence(512), { ...UNCHOSEN, someLayers: false });
    expect(sizeOf(joined.layers)).toBe(24);
  });

  it("stays within the tokens that the recording's byte budget left", () => {
    const bounded: Probe = { ...sentence(512), kept: { form: "window", window: 48, cells: 64 } };
    const cut = cutOf(part(6, 12), bounded, UNCHOSEN);
    expect(cut.query).toEqual({ start: 0, stop: 48 });
    expect(isWhole(cut, part(6, 12), bounded)).toBe(false);
  });

  it("is the whole text, whatever was chosen, where only coarse maps were kept", () => {
    const kept = { form: "thumbnail", window: 0, cells: 64 } as const;
    const bounded: Probe = { ...sentence(300), kept };
    const tokens = { start: 32, length: 64, merge: 1 };
    const cut = cutOf(part(6, 12), bounded, { ...UNCHOSEN, tokens });
    expect(cut).toMatchObject({ query: { start: 0, stop: 300 }, merge: 5 });
    expect(cut.key).toEqual(cut.query);
    expect(coarseMarks(part(6, 12), bounded)).toBe(5);
    expect(coarseMarks(part(6, 12), sentence(300))).toBeNull();
  });

  it("never asks for more than four million weights", () => {
    const tokens = { start: 0, length: 128, merge: 1 };
    const cut = cutOf(part(96, 96), sentence(4096), { tokens, depth: null, someLayers: false });
    expect(sizeOf(cut.layers) * 96 * 128 * 128).toBeLessThanOrEqual(1 << 22);
  });
});

describe("windowed maps", () => {
  /** Every cell tells its layer, query and key of the whole model. */
  const cell = (layer: number, query: number, key: number): number =>
    layer * 10000 + query * 100 + key;
  const windowed: Maps = {
    data: Float32Array.from(
      [2, 3].flatMap((layer) =>
        [4, 5, 6].flatMap((query) => [4, 5, 6].map((key) => cell(layer, query, key))),
      ),
    ),
    layers: 2,
    heads: 1,
    queries: 3,
    keys: 3,
    from: { layer: 2, query: 4, key: 4, merge: 1 },
  };
  const tokens = { text: ["a", "b", "c", "d", "e", "f", "##g"], special: [4] };
  const range = { start: 4, stop: 7 };

  it("are asked for by the layer's number in the model", () => {
    expect(headMap(windowed, 3, 0).data[0]).toBe(cell(3, 4, 4));
    expect([1, 2, 3, 4].map((layer) => holdsLayer(windowed, layer))).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });

  it("keep recorded positions when tokens are hidden or joined inside the window", () => {
    const axis = buildAxis(tokens, { hideSpecial: true, mergeWords: true, range });
    expect(axis.map(({ members }) => members)).toEqual([[5, 6]]);
    const joined = regroup(windowed, axis, axis);
    const sum = (query: number): number => cell(2, query, 5) + cell(2, query, 6);
    expect(headMap(joined, 2, 0).data[0]).toBe((sum(5) + sum(6)) / 2);
  });

  it("are cut out of whole maps too, for a source that cannot cut", () => {
    const whole: Maps = {
      data: Float32Array.from({ length: 49 }, (_, at) => cell(0, Math.floor(at / 7), at % 7)),
      layers: 1,
      heads: 1,
      queries: 7,
      keys: 7,
    };
    const axis = buildAxis(tokens, { hideSpecial: false, mergeWords: false, range });
    expect([...regroup(whole, axis, axis).data.slice(0, 3)]).toEqual([
      cell(0, 4, 4),
      cell(0, 4, 5),
      cell(0, 4, 6),
    ]);
  });

  it("join neighbouring tokens to one mark: a sum over keys, a mean over queries", () => {
    const even = { text: ["a", "b", "c", "d", "e"], special: [0] };
    const axis = buildAxis(even, { hideSpecial: false, mergeWords: false, merge: 2 });
    expect(axis.map(({ text }) => text)).toEqual(["a b", "c d", "e"]);
    expect(axis.map(({ special }) => special)).toEqual([false, false, false]);
  });
});
