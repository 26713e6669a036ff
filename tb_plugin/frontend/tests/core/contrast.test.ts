import { describe, expect, it } from "vitest";
import { buildAxis } from "../../src/core/axis";
import {
  changeOnScale,
  changesArePale,
  DIFFERENCE_LIMIT,
  layerTop,
  onScale,
} from "../../src/core/contrast";
import { BACKWARDS, EVERYWHERE, evenMap } from "../../src/core/even";
import { type Maps, type Matrix, strongest } from "../../src/core/maps";
import { attentionPosition } from "../../src/scale/ramps";

const axis = (size: number) =>
  buildAxis(
    { text: Array.from({ length: size }, (_, at) => `w${at}`), special: [] },
    { hideSpecial: false, mergeWords: false },
  );

/** A head that gives nine tenths of its attention to what the pattern names, the rest evenly. */
function head(size: number, names: (query: number, key: number) => boolean): Matrix {
  const data = new Float32Array(size * size);
  for (let query = 0; query < size; query++) {
    const keys = Array.from({ length: size }, (_, key) => key).filter((key) => names(query, key));
    for (let key = 0; key < size; key++) {
      data[query * size + key] = 0.1 / size + (keys.includes(key) ? 0.9 / keys.length : 0);
    }
  }
  return { data, rows: size, cols: size };
}

const PATTERNS: [string, (query: number, key: number) => boolean][] = [
  ["self", (q, k) => q === k],
  ["previous", (q, k) => k === Math.max(0, q - 1)],
  ["next", (q, k) => k === q + 1 || (q === k && k > 120)],
  ["one word", (_, k) => k === 9],
  ["block", (q, k) => Math.floor(q / 8) === Math.floor(k / 8)],
];

describe.each([64, 128])("at %i tokens", (size) => {
  const even = evenMap(EVERYWHERE, axis(size), axis(size), size);

  it.each(PATTERNS)("the cells of a %s head stand apart from their ground", (_, names) => {
    const map = head(size, names);
    for (const contrast of ["fixed", "even", "layer"] as const) {
      const maps: Maps = { ...map, layers: 1, heads: 1, queries: size, keys: size };
      const scaled = onScale(map, { contrast, even, top: layerTop(maps, 0, 1) });
      const position = (on: boolean): number => {
        const cells = Array.from(scaled.data, (value, cell) => ({ value, cell }));
        const found = cells.find(
          ({ cell }) => names(Math.floor(cell / size), cell % size) === on && cell > size,
        );
        return attentionPosition(found?.value ?? 0);
      };
      // A ramp's lightness falls by .6 from one end to the other: .25 of it is a step of .15.
      expect(position(true) - position(false)).toBeGreaterThan(0.25);
    }
  });
});

/** Lightness falls by .6 along a ramp: pixels this far apart on it differ by .15. */
const VISIBLE = 0.25;

describe.each([64, 128])("small pictures of %i tokens", (size) => {
  const even = evenMap(EVERYWHERE, axis(size), axis(size), size);

  // px of a map in the list, in the grid of all heads, and in the network.
  it.each([38, 46, 58])("tell the five patterns apart at %i px on every scale", (px) => {
    for (const contrast of ["fixed", "even", "layer"] as const) {
      const pictures = PATTERNS.map(([, names]) => {
        const map = head(size, names);
        const maps: Maps = { ...map, layers: 1, heads: 1, queries: size, keys: size };
        const scaled = onScale(map, { contrast, even, top: layerTop(maps, 0, 1) });
        return strongest(scaled, px, px).data.map(attentionPosition);
      });
      for (const [at, one] of pictures.entries()) {
        for (const other of pictures.slice(at + 1)) {
          const differing = one.filter(
            (position, pixel) => Math.abs(position - (other[pixel] ?? 0)) > VISIBLE,
          );
          expect(differing.length).toBeGreaterThan(0.8 * px);
        }
      }
    }
  });
});

describe("onScale", () => {
  it("is the map itself on the fixed scale, and keeps NaN on every scale", () => {
    const map: Matrix = { rows: 1, cols: 2, data: Float32Array.from([Number.NaN, 0.5]) };
    const even: Matrix = { rows: 1, cols: 2, data: Float32Array.from([0.5, 0.5]) };
    expect(onScale(map, { contrast: "fixed", even, top: 1 })).toBe(map);
    for (const contrast of ["even", "layer"] as const) {
      expect([...onScale(map, { contrast, even, top: 0.5 }).data][0]).toBeNaN();
    }
    expect(onScale(map, { contrast: "even", even, top: 1 }).data[1]).toBeCloseTo(1 / 8);
    expect(onScale(map, { contrast: "layer", even, top: 0.5 }).data[1]).toBe(1);
  });

  it("shows even attention in one colour, also in a causal text", () => {
    const even = evenMap(BACKWARDS, axis(6), axis(6), 6);
    const seen = onScale(even, { contrast: "even", even, top: 1 }).data.filter((v) => v > 0);
    for (const value of seen) {
      expect(value).toBeCloseTo(1 / 8, 6);
    }
  });
});

describe("changeOnScale", () => {
  const even = evenMap(BACKWARDS, axis(128), axis(128), 128);
  const cell = 127 * 128 + 5;
  const change: Matrix = { ...even, data: new Float32Array(128 * 128) };
  change.data[cell] = -2 / 128;
  change.data[0] = Number.NaN;

  it("leaves the fixed scale alone and draws twice even attention half as strong as four times", () => {
    expect(changeOnScale(change, { contrast: "fixed", even, top: 1 })).toBe(change);
    const scaled = changeOnScale(change, { contrast: "even", even, top: 1 });
    expect(scaled.data[cell]).toBeCloseTo(-DIFFERENCE_LIMIT / 2);
    expect(scaled.data[0]).toBeNaN();
    expect(scaled.data[1]).toBe(0);
  });

  it("draws what a layer's typical query gives most as strongly as can be", () => {
    const scaled = changeOnScale(change, { contrast: "layer", even, top: 2 / 128 });
    expect(scaled.data[cell]).toBeCloseTo(-DIFFERENCE_LIMIT);
  });
});

describe("changesArePale", () => {
  const maps = (head_: Matrix): Maps => ({ ...head_, layers: 1, heads: 1, queries: 64, keys: 64 });
  const even = maps(head(64, () => true));

  it("tells a few queries that changed from all, however few keys of each", () => {
    const few = maps(head(64, (q, k) => (q < 6 ? q === k : true)));
    const all = maps(head(64, (q, k) => q === k));
    expect([changesArePale(even, few), changesArePale(even, all)]).toEqual([true, false]);
  });

  const without = (rows: number, value: number): Maps => ({
    ...even,
    data: even.data.map((weight, cell) => (cell < rows * 64 ? value : weight)),
  });

  it("says nothing of what is not a number", () => {
    expect(changesArePale(even, without(64, Number.NaN))).toBe(false);
    const all = maps(head(64, (q, k) => q === k));
    const half = without(32, Number.NaN);
    expect([changesArePale(even, half), changesArePale(all, half)]).toEqual([true, false]);
  });

  it("counts no head that a layer lacks", () => {
    const [none, changed] = [without(64, 0), maps(head(64, (q, k) => q === k))];
    const joined = (own: Maps): Maps => ({
      ...own,
      heads: 8,
      data: Float32Array.from([
        ...own.data,
        ...Array(7)
          .fill([...none.data])
          .flat(),
      ]),
    });
    expect(changesArePale(joined(even), joined(changed))).toBe(false);
    expect(changesArePale(joined(even), joined(even))).toBe(true);
  });

  it("is told of large maps by rows of every head", () => {
    const shape = { layers: 2, heads: 4, queries: 512, keys: 512 };
    const size = 8 * 512 * 512;
    const first: Maps = { ...shape, data: new Float32Array(size).fill(1 / 512) };
    const data = Float32Array.from({ length: size }, (_, cell) =>
      // Seven of eight heads look elsewhere.
      cell < size / 8 ? 1 / 512 : cell % 513 === 0 ? 0.9 : 0.1 / 511,
    );
    expect(changesArePale(first, { ...shape, data })).toBe(false);
    expect(changesArePale(first, first)).toBe(true);
  });
});
