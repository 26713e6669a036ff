import { describe, expect, it } from "vitest";
import { buildAxis } from "../../src/core/axis";
import { thumbnails, wholeImage } from "../../src/core/patches";
import type { PatchImage } from "../../src/core/recording";

const base64 = (bytes: readonly number[]): string => btoa(String.fromCharCode(...bytes));

/** Two patches side by side, of 2 x 2 grey pixels: 1 2 | 3 4 above 5 6 | 7 8. */
const GREY: PatchImage = {
  rows: 1,
  columns: 2,
  side: 2,
  channels: 1,
  pixels: base64([1, 2, 3, 4, 5, 6, 7, 8]),
};

/** The pixels of a bitmap with 24 bits per pixel, [row][column] of red, green, blue. */
function pixelsOf(address: string): number[][][] {
  const bytes = Uint8Array.from(atob(address.slice(address.indexOf(",") + 1)), (letter) =>
    letter.charCodeAt(0),
  );
  const header = new DataView(bytes.buffer);
  expect(String.fromCharCode(...bytes.subarray(0, 2))).toBe("BM");
  expect(header.getUint32(2, true)).toBe(bytes.length);
  expect(header.getUint16(28, true)).toBe(24);
  const [width, height] = [header.getInt32(18, true), -header.getInt32(22, true)];
  const stride = (bytes.length - header.getUint32(10, true)) / height;
  expect(stride % 4).toBe(0);
  return Array.from({ length: height }, (_, y) =>
    Array.from({ length: width }, (_, x) => {
      const at = header.getUint32(10, true) + y * stride + 3 * x;
      return [bytes[at + 2] ?? -1, bytes[at + 1] ?? -1, bytes[at] ?? -1];
    }),
  );
}

const grey = (...rows: number[][]): number[][][] =>
  rows.map((row) => row.map((value) => [value, value, value]));

describe("thumbnails", () => {
  it("cuts an image into one picture per token that is not special", () => {
    const tokens = { text: ["[CLS]", "1,1", "1,2"], special: [0], image: GREY };
    const [none, left, right] = thumbnails(tokens);
    expect(none).toBeNull();
    expect(pixelsOf(left ?? "")).toEqual(grey([1, 2], [5, 6]));
    expect(pixelsOf(right ?? "")).toEqual(grey([3, 4], [7, 8]));
  });

  it("keeps red, green and blue apart", () => {
    const pixels = base64([255, 0, 0, 0, 255, 0]);
    const image = { rows: 1, columns: 2, side: 1, channels: 3, pixels };
    const tokens = { text: ["a", "b"], special: [], image };
    expect(thumbnails(tokens).map((address) => pixelsOf(address ?? ""))).toEqual([
      [[[255, 0, 0]]],
      [[[0, 255, 0]]],
    ]);
  });

  it("has nothing to show for words", () => {
    expect(thumbnails({ text: ["a", "b"], special: [] })).toEqual([null, null]);
  });

  it("puts each picture at its token of the axis", () => {
    const tokens = { text: ["[CLS]", "1,1", "1,2"], special: [0], image: GREY };
    const axis = buildAxis(tokens, { hideSpecial: true, mergeWords: true });
    expect(axis.map(({ picture }) => picture)).toEqual(thumbnails(tokens).slice(1));
  });
});

describe("wholeImage", () => {
  it("shows all patches together", () => {
    expect(pixelsOf(wholeImage(GREY))).toEqual(grey([1, 2, 3, 4], [5, 6, 7, 8]));
  });
});
