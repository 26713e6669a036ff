import { describe, expect, it } from "vitest";
import type { Matrix } from "../../src/core/maps";
import { classColour, type EdgeColour, edgeStroke } from "../../src/layout/graph/edge_style";
import { classStarts, edgeLevels, pairEdges } from "../../src/layout/graph/token_graph";
import type { Theme } from "../../src/scale/head_colours";

const TOKENS = 15;
const ROOMY = 60; // px between tokens
const EVEN: Matrix = {
  data: new Float32Array(TOKENS * TOKENS).fill(1 / TOKENS),
  rows: TOKENS,
  cols: TOKENS,
};
const CLASSES = classStarts("uniform", null, TOKENS);
const PAPER = { light: [255, 255, 255], dark: [0x21, 0x23, 0x26] } as const; // --bg
const INK = { light: [0x1b, 0x1d, 0x21], dark: [0xf1, 0xf2, 0xf4] } as const; // --ink

/** Attention as trained heads give it: most to the first token, some to a few words, a haze. */
function sinkMap(seed: number): Matrix {
  const data = new Float32Array(TOKENS * TOKENS);
  for (let query = 0; query < TOKENS; query++) {
    const row = Array.from({ length: TOKENS }, (_, key) => {
      const noise = Math.abs(Math.sin(seed * 97 + query * 31 + key * 17));
      const word = (query * 7 + seed) % TOKENS === key ? 2.2 : 0;
      return Math.exp(noise + word + (key === 0 ? 3.2 : 0));
    });
    const sum = row.reduce((all, value) => all + value, 0);
    row.forEach((value, key) => {
      data[query * TOKENS + key] = value / sum;
    });
  }
  return { data, rows: TOKENS, cols: TOKENS };
}

/** Relative luminance of an sRGB colour, channels 0 to 255 (WCAG 2). */
function luminance(channels: readonly number[]): number {
  const [r = 0, g = 0, b = 0] = channels.map((channel) => {
    const value = channel / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** Channels of "rgb(1, 2, 3)" or "#010203". */
const channelsOf = (colour: string): number[] =>
  colour.startsWith("#")
    ? [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16))
    : (colour.match(/[\d.]+/g) ?? []).slice(0, 3).map(Number);

const contrast = (a: number, b: number): number =>
  (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);

/** WCAG contrast between the strongest tenth of the words' edges and the median one, as drawn. */
function strongAgainstWeak(colour: EdgeColour, map: Matrix, theme: Theme): number {
  const edges = pairEdges(map, "sum");
  const levels = edgeLevels(edges, map, "uniform", "sum", EVEN);
  const shares = edgeLevels(edges, map, "layer", "sum", EVEN);
  const drawn = edges
    .map((edge, at) => ({ ...edge, level: levels[at] ?? 0, share: shares[at] ?? 0 }))
    .filter(({ from }) => from !== 0) // the sink's own edges are no news
    .sort((a, b) => b.weight - a.weight);
  const start = 1;
  const shade = ({ level, share }: { level: number; share: number }): number => {
    if (colour === "weight" && level < start) {
      return luminance(PAPER[theme]); // pruned: not drawn
    }
    const stroke = edgeStroke(colour, { level, share }, CLASSES, ROOMY);
    const blended = PAPER[theme].map(
      (paper, at) => paper + stroke.opacity * ((INK[theme][at] ?? 0) - paper),
    );
    return luminance(
      stroke.level === null ? blended : channelsOf(classColour(stroke.level, theme)),
    );
  };
  const strong = drawn.slice(0, Math.ceil(drawn.length / 10)).map(shade);
  const weak = shade(drawn[Math.floor(drawn.length / 2)] ?? { level: 0, share: 0 });
  return strong.reduce((all, value) => all + contrast(value, weak), 0) / strong.length;
}

describe("the drawing of edges", () => {
  const seeds = [1, 2, 3, 4, 5, 6, 7, 8];

  it.each(["light", "dark"] as const)(
    "tells strong from weak better than the paper's opacity (%s)",
    (theme) => {
      for (const seed of seeds) {
        const map = sinkMap(seed);
        const ours = strongAgainstWeak("weight", map, theme);
        const baseline = strongAgainstWeak("opacity", map, theme);
        expect(ours).toBeGreaterThan(2 * baseline);
      }
    },
  );

  it.each(["light", "dark"] as const)("leaves the weakest class in sight (%s)", (theme) => {
    const paper = luminance(PAPER[theme]);
    const shades = [0, 1, 2, 3, 4].map((level) => luminance(channelsOf(classColour(level, theme))));
    expect(contrast(shades[0] ?? 0, paper)).toBeGreaterThan(theme === "dark" ? 2.2 : 1.8);
    shades.slice(1).forEach((shade, at) => {
      expect(contrast(shade, paper)).toBeGreaterThan(1.15 * contrast(shades[at] ?? 0, paper));
    });
  });

  it("gets thinner where tokens stand close together, and keeps its five classes apart", () => {
    const width = (level: number, pitch: number): number =>
      edgeStroke("weight", { level, share: 0 }, CLASSES, pitch).width;
    expect(width(9, 16)).toBeLessThan(width(9, ROOMY));
    for (const pitch of [4, 16, ROOMY]) {
      const widths = CLASSES.map((start) => width(start, pitch));
      widths.slice(1).forEach((wider, at) => {
        expect(wider).toBeGreaterThan(1.4 * (widths[at] ?? 0));
      });
    }
  });

  it("keeps the paper's opacity as a baseline: one width, opacity from 0 to 1", () => {
    const faint = edgeStroke("opacity", { level: 9, share: 0.1 }, CLASSES, ROOMY);
    const full = edgeStroke("opacity", { level: 9, share: 1 }, CLASSES, ROOMY);
    expect(faint).toEqual({ width: 1.5, opacity: 0.1, level: null });
    expect(full).toEqual({ width: 1.5, opacity: 1, level: null });
  });
});
