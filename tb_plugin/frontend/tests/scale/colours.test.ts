import { describe, expect, it } from "vitest";
import { headColour, headHue } from "../../src/scale/head_colours";
import { oklch } from "../../src/scale/oklch";
import { attentionRamp, differenceRamp } from "../../src/scale/ramps";

/** Relative luminance of WCAG 2, computed from the pixel, not from our own OKLCH. */
function luminance(pixel: number): number {
  const channel = (shift: number): number => {
    const value = ((pixel >>> shift) & 255) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * channel(0) + 0.7152 * channel(8) + 0.0722 * channel(16);
}

describe("oklch", () => {
  it.each([
    ["white", 1, 0, 0, [255, 255, 255]],
    ["black", 0, 0, 0, [0, 0, 0]],
    ["sRGB red", 0.6279554, 0.2576833, 29.2338851, [255, 0, 0]],
    ["sRGB blue", 0.4520137, 0.3132144, 264.0520206, [0, 0, 255]],
  ])("meets the published value of %s", (_, lightness, chroma, hue, rgb) => {
    expect(oklch(lightness, chroma, hue)).toEqual(rgb);
  });

  it("stays in gamut by giving up chroma", () => {
    for (let hue = 0; hue < 360; hue += 15) {
      for (const channel of oklch(0.9, 0.4, hue)) {
        expect(channel).toBeGreaterThanOrEqual(0);
        expect(channel).toBeLessThanOrEqual(255);
      }
    }
  });
});

describe("head colours", () => {
  it("agree between the printed hex and the hue used for ramps", () => {
    for (let head = 0; head < 16; head++) {
      const { hex, lightness, chroma, hue } = headHue(head);
      const [red, green, blue] = oklch(lightness, chroma, hue);
      const printed = [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
      [red, green, blue].forEach((channel, at) => {
        expect(Math.abs(channel - (printed[at] ?? 0))).toBeLessThanOrEqual(3);
      });
    }
  });

  it("repeat after sixteen heads", () => {
    expect(headColour(16, "light")).toBe(headColour(0, "light"));
    expect(new Set(Array.from({ length: 16 }, (_, h) => headColour(h, "dark"))).size).toBe(16);
  });
});

describe("attentionRamp", () => {
  it.each(["light", "dark"] as const)("is monotone in luminance for every head (%s)", (theme) => {
    for (const head of [null, 0, 1, 5, 15]) {
      const values = [...attentionRamp(head, theme).pixels].map(luminance);
      const sign = theme === "light" ? -1 : 1;
      values.slice(1).forEach((value, at) => {
        expect(sign * (value - (values[at] ?? 0))).toBeGreaterThan(-0.004);
      });
    }
  });

  it("has a fixed square-root domain: a quarter of the weight is half of the scale", () => {
    const { index } = attentionRamp(3, "light");
    expect([0, 0.25, 1, 7, -1].map(index)).toEqual([0, 128, 255, 255, 0]);
  });
});

describe("differenceRamp", () => {
  it("is symmetric around no change and ends at one half", () => {
    const { index } = differenceRamp("light");
    expect(index(0)).toBe(128);
    expect([index(0.5), index(0.9), index(-0.5)]).toEqual([255, 255, 0]);
    expect(index(0.2) + index(-0.2)).toBe(255);
  });
});
