// Colour scales with fixed domains, so that a change between steps is a change in the picture.
import { DIFFERENCE_LIMIT } from "../core/contrast";
import { headHue, type Theme } from "./head_colours";
import { css, oklch, type Rgb } from "./oklch";

/** 256 colours over [0, 1] or [-1, 1], as the pixels of an ImageData and as CSS. */
export interface Ramp {
  readonly pixels: Uint32Array;
  readonly colour: (value: number) => string;
  /** Position of a value on the ramp, 0 to 255. */
  readonly index: (value: number) => number;
}

const DIFFERENCE_POWER = 0.75;
const SLATE = { hue: 258, chroma: 0.045 };
const LESS = 312;
const MORE = 152;

const clamp = (value: number, low: number, high: number): number =>
  Math.min(high, Math.max(low, value));

/** Weight to position: the square root makes 1/T visible; bars and links stay linear. */
export const attentionPosition = (value: number): number => Math.sqrt(clamp(value, 0, 1));

/** Change to position in [-1, 1]: power 0.75 keeps noise of 0.03 quiet. */
export const differencePosition = (value: number): number =>
  Math.sign(value) * clamp(Math.abs(value) / DIFFERENCE_LIMIT, 0, 1) ** DIFFERENCE_POWER;

function attentionColour(position: number, hue: number, chroma: number, theme: Theme): Rgb {
  return theme === "light"
    ? oklch(0.985 - position * 0.6, chroma * Math.min(1, 1.6 * position), hue)
    : oklch(
        0.205 + position * 0.7,
        chroma * Math.min(1, 1.9 * position) * (1 - 0.45 * position * position),
        hue,
      );
}

function differenceColour(position: number, theme: Theme): Rgb {
  const strength = Math.abs(position);
  const hue = position < 0 ? LESS : MORE;
  return theme === "light"
    ? oklch(0.985 - strength * 0.53, 0.17 * Math.min(1, 1.35 * strength), hue)
    : oklch(0.235 + strength * 0.6, 0.17 * Math.min(1, 1.5 * strength), hue);
}

function makeRamp(colours: readonly Rgb[], index: (value: number) => number): Ramp {
  // ImageData is little-endian RGBA on every platform browsers run on.
  const pixels = Uint32Array.from(
    colours,
    ([red, green, blue]) => ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0,
  );
  const names = colours.map(css);
  return { pixels, index, colour: (value) => names[index(value)] ?? "" };
}

const steps = <T>(make: (t: number) => T): T[] =>
  Array.from({ length: 256 }, (_, step) => make(step / 255));

const made = new Map<string, Ramp>();

function remember(key: string, make: () => Ramp): Ramp {
  const known = made.get(key);
  if (known) {
    return known;
  }
  const ramp = make();
  made.set(key, ramp);
  return ramp;
}

/** Attention of one head in its hue, or of a mean (null) in slate: lightness is weight, hue is head. */
export function attentionRamp(head: number | null, theme: Theme): Ramp {
  const { hue, chroma } = head === null ? SLATE : headHue(head);
  const strength = head === null ? chroma : Math.max(0.1, chroma);
  return remember(`${theme} ${hue} ${strength}`, () =>
    makeRamp(
      steps((t) => attentionColour(t, hue, strength, theme)),
      (value) => Math.round(255 * attentionPosition(value)),
    ),
  );
}

const LOW = 256;
const HIGH = 25;

function productColour(position: number, theme: Theme): Rgb {
  const strength = Math.abs(position);
  const hue = position < 0 ? LOW : HIGH;
  return theme === "light"
    ? oklch(0.985 - strength * 0.53, 0.16 * Math.min(1, 1.35 * strength), hue)
    : oklch(0.235 + strength * 0.6, 0.16 * Math.min(1, 1.5 * strength), hue);
}

/** HeadLens, as in SANVis: red is high, blue is low, over [-1, 1]. */
export function productRamp(theme: Theme): Ramp {
  return remember(`${theme} product`, () =>
    makeRamp(
      steps((t) => productColour(2 * t - 1, theme)),
      (value) => Math.round(127.5 + 127.5 * clamp(value, -1, 1)),
    ),
  );
}

/** A − B: green is more in A, purple more in B, the ground is no change. */
export function differenceRamp(theme: Theme): Ramp {
  return remember(`${theme} difference`, () =>
    makeRamp(
      steps((t) => differenceColour(2 * t - 1, theme)),
      (value) => Math.round(127.5 + 127.5 * differencePosition(value)),
    ),
  );
}

/** A weight that is not a number: a colour of no ramp. */
export const UNDEFINED: Readonly<Record<Theme, string>> = { light: "#ff5fd2", dark: "#ff7ad9" };

export function undefinedPixel(theme: Theme): number {
  const rgb = Number.parseInt(UNDEFINED[theme].slice(1), 16);
  const [red, green, blue] = [rgb >> 16, (rgb >> 8) & 255, rgb & 255];
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}
