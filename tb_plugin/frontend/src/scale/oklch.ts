// OKLCH to sRGB (Ottosson 2020, "A perceptual color space for image processing").

export type Rgb = readonly [red: number, green: number, blue: number];

const GAMUT_SLACK = 5e-4;
const CHROMA_STEP = 0.004;

function toLinear(lightness: number, chroma: number, hue: number): Rgb {
  const a = chroma * Math.cos((hue * Math.PI) / 180);
  const b = chroma * Math.sin((hue * Math.PI) / 180);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
}

const inGamut = (linear: Rgb): boolean =>
  Math.min(...linear) >= -GAMUT_SLACK && Math.max(...linear) <= 1 + GAMUT_SLACK;

function encode(channel: number): number {
  const value = Math.min(1, Math.max(0, channel));
  const gamma = value <= 0.0031308 ? 12.92 * value : 1.055 * value ** (1 / 2.4) - 0.055;
  return Math.round(255 * gamma);
}

/** 8-bit sRGB; chroma is lowered until the colour exists, lightness and hue stay. */
export function oklch(lightness: number, chroma: number, hue: number): Rgb {
  let reduced = chroma;
  let linear = toLinear(lightness, reduced, hue);
  while (reduced > 0 && !inGamut(linear)) {
    reduced = Math.max(0, reduced - CHROMA_STEP);
    linear = toLinear(lightness, reduced, hue);
  }
  return [encode(linear[0]), encode(linear[1]), encode(linear[2])];
}

export const css = ([red, green, blue]: Rgb): string => `rgb(${red},${green},${blue})`;
