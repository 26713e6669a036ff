import { describe, expect, it } from "vitest";
import type { Matrix } from "../../src/core/maps";
import { brightness, patchesOf } from "../../src/core/patch_grid";
import { picturePlaces } from "../../src/layout/graph/picture_places";
import { fullColour, pictureHeat, rolloutRows } from "../../src/layout/heads/picture_heat";

const IMAGE = { rows: 2, columns: 2, side: 1, channels: 3, pixels: "" };
const TOKENS = { text: ["[CLS]", "a", "b", "[REG]", "c", "d"], special: [0, 3] };
const AXIS = TOKENS.text.map((text, at) => ({
  text,
  special: TOKENS.special.includes(at),
  members: [at],
}));

describe("patches among tokens", () => {
  it("are counted in reading order, [CLS] and registers apart", () => {
    expect(patchesOf(AXIS, TOKENS)).toEqual([[], [0], [1], [], [2], [3]]);
  });

  it("are joined where tokens are joined", () => {
    const joined = [{ text: "a b", special: false, members: [1, 2] }];
    expect(patchesOf(joined, TOKENS)).toEqual([[0, 1]]);
  });
});

describe("heat over the image", () => {
  it("gives every patch its token's weight, and says what is not on the image", () => {
    const row = Float32Array.from([0.5, 0.1, 0.2, 0.125, 0.05, 0.025]);
    const { patches, apart } = pictureHeat(row, patchesOf(AXIS, TOKENS), 4);
    [0.1, 0.2, 0.05, 0.025].forEach((weight, patch) => {
      expect(patches[patch]).toBeCloseTo(weight, 6);
    });
    expect(apart).toBeCloseTo(0.625, 6);
  });

  it("shares the weight of a joined mark evenly", () => {
    expect([...pictureHeat(Float32Array.from([0.5]), [[1, 2]], 4).patches]).toEqual([
      0, 0.25, 0.25, 0,
    ]);
  });

  it("is as strong as it gets at a weight that no step decides", () => {
    expect(fullColour({ contrast: "even", top: 1 }, 1 / 64)).toBeCloseTo(0.125);
    expect(fullColour({ contrast: "fixed", top: 0.3 }, 1 / 64)).toBe(1);
  });
});

describe("rollout", () => {
  const layer = (...data: number[]): Matrix => ({
    rows: 2,
    cols: 2,
    data: Float32Array.from(data),
  });

  it("multiplies half attention, half identity, from the query down to the input", () => {
    const first = layer(0, 1, 0.5, 0.5);
    const second = layer(0.25, 0.75, 1, 0);
    const [one, two] = rolloutRows([first, second], 0);
    expect([...(one ?? [])]).toEqual([0.5, 0.5]);
    // (A2 + I) / 2 = [.625 .375; .5 .5]; its first row times (A1 + I) / 2 = [.5 .5; .25 .75]
    expect(two?.[0]).toBeCloseTo(0.625 * 0.5 + 0.375 * 0.25, 6);
    expect(two?.[1]).toBeCloseTo(0.625 * 0.5 + 0.375 * 0.75, 6);
  });
});

describe("the graph of an image", () => {
  it("puts tokens where their patches are: the first above and left, special ones above all", () => {
    const places = picturePlaces(patchesOf(AXIS, TOKENS), IMAGE);
    const [cls, first, second, register, third] = places;
    expect(first?.y).toBeLessThan(third?.y ?? 0);
    expect(first?.z).toBeGreaterThan(second?.z ?? 0); // left as the planes are seen
    for (const apart of [cls, register]) {
      expect(apart?.y).toBeLessThan(first?.y ?? 0);
    }
    for (const { y, z } of places) {
      expect(Math.hypot(y, z)).toBeLessThanOrEqual(1);
    }
  });
});

describe("brightness", () => {
  it("weighs red, green and blue as eyes do", () => {
    const pixels = btoa(String.fromCharCode(255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255));
    const seen = brightness({ ...IMAGE, pixels });
    [0.299, 0.587, 0.114, 1].forEach((value, at) => {
      expect(seen[at]).toBeCloseTo(value, 5);
    });
  });
});
