import { describe, expect, it } from "vitest";
import { decodeMaps, decodeSeries, FrameError } from "../../src/api/frame";
import { frame } from "../frames";

const codes = (shape: number[], maxima: number[], values: number[]): ArrayBuffer =>
  frame({ kind: 1, shape, body: [Float32Array.from(maxima), Uint8Array.from(values)] });

describe("decodeMaps", () => {
  it("squares the code, scales by the row maximum and divides by the row's sum", () => {
    const maps = decodeMaps(codes([1, 1, 2, 2], [0.8, 0.5], [255, 51, 255, 255]));
    const [first, second] = [0.8, 0.8 * (51 / 255) ** 2];
    expect(maps).toMatchObject({ layers: 1, heads: 1, queries: 2, keys: 2 });
    expect([...maps.data]).toEqual([
      Math.fround(first / (first + second)),
      Math.fround(second / (first + second)),
      0.5,
      0.5,
    ]);
  });

  it("makes every row sum to one", () => {
    const values = Array.from({ length: 3 * 7 }, (_, at) => (at * 37 + 11) % 256);
    const maps = decodeMaps(codes([1, 1, 3, 7], [0.3, 0.9, 0.01], values));
    for (let row = 0; row < 3; row++) {
      const sum = maps.data.subarray(7 * row, 7 * row + 7).reduce((all, value) => all + value, 0);
      expect(sum).toBeCloseTo(1, 6);
    }
  });

  it("does not divide absolute attention: some models' rows leave a part to a sink", () => {
    const body = [Float32Array.from([0.5]), Uint8Array.from([255, 0])];
    const maps = decodeMaps(frame({ kind: 4, shape: [1, 1, 1, 2], body }));
    expect([...maps.data]).toEqual([0.5, 0]);
  });

  it("leaves the rows of absent heads at zero", () => {
    expect([...decodeMaps(codes([1, 1, 1, 2], [0], [255, 255])).data]).toEqual([0, 0]);
    expect([...decodeMaps(codes([1, 1, 1, 2], [1], [0, 0])).data]).toEqual([0, 0]);
  });

  it("reads codes that do not start on a multiple of four", () => {
    const maps = decodeMaps(codes([1, 1, 1, 3], [1], [0, 255, 0]));
    expect([...maps.data]).toEqual([0, 1, 0]);
  });

  it.each([
    ["a short reply", new ArrayBuffer(3), "the reply has 3 bytes, a frame has at least 8"],
    ["another magic", frame({ magic: "HTML", kind: 1, shape: [], body: [] }), "start with ATM1"],
    ["a cut header", frame({ kind: 1, shape: [1, 1], body: [] }).slice(0, 12), "inside its header"],
    ["a cut body", codes([1, 1, 1, 2], [1], [0]), "the reply has 29 bytes, its header says 30"],
    [
      "another kind",
      frame({ kind: 3, shape: [1, 1, 1, 1], body: [] }),
      "got a frame of kind 3 with 4 axes, wanted kind 1 with 4",
    ],
    [
      "an absurd shape",
      frame({ kind: 1, shape: [65535, 65535, 2, 2], body: [] }),
      "more than the tab can hold",
    ],
  ])("refuses %s", (_, buffer, message) => {
    expect(() => decodeMaps(buffer)).toThrow(FrameError);
    expect(() => decodeMaps(buffer)).toThrow(message);
  });
});

describe("decodeSeries", () => {
  it("reads the steps, then the values, NaN included", () => {
    const series = decodeSeries(
      frame({
        kind: 3,
        shape: [2, 1, 1, 2],
        body: [Float64Array.from([10, 2 ** 53 - 1]), Float32Array.from([0.5, Number.NaN, -2, 1])],
      }),
    );
    expect(series.steps).toEqual([10, 2 ** 53 - 1]);
    expect([...series.data]).toEqual([0.5, Number.NaN, -2, 1]);
    expect(series).toMatchObject({ layers: 1, heads: 1, metrics: 2 });
  });
});
