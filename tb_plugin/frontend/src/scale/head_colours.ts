// One hue per head, the same in every view. Chosen by farthest-point search in OKLab over normal,
// protan, deutan and tritan sight; the order is the search's, so the first eight differ most.
import { css, oklch } from "./oklch";

export type Theme = "light" | "dark";

interface HeadHue {
  readonly hex: string;
  readonly lightness: number;
  readonly chroma: number;
  readonly hue: number;
}

const hue = (hex: string, lightness: number, chroma: number, angle: number): HeadHue => ({
  hex,
  lightness,
  chroma,
  hue: angle,
});

const FIRST = hue("#5b8df9", 0.66, 0.17, 264);

const HUES: readonly HeadHue[] = [
  FIRST,
  hue("#920d03", 0.42, 0.165, 30),
  hue("#ab9104", 0.66, 0.135, 96),
  hue("#4e32a2", 0.42, 0.17, 288),
  hue("#017179", 0.5, 0.085, 204),
  hue("#d064b9", 0.66, 0.17, 336),
  hue("#0b9163", 0.58, 0.125, 162),
  hue("#ab690e", 0.58, 0.125, 66),
  hue("#8b5dce", 0.58, 0.17, 300),
  hue("#9e4502", 0.5, 0.135, 48),
  hue("#880a5d", 0.42, 0.17, 348),
  hue("#03527b", 0.42, 0.095, 240),
  hue("#24ae56", 0.66, 0.17, 150),
  hue("#e15e8e", 0.66, 0.17, 0),
  hue("#b56fdc", 0.66, 0.17, 312),
  hue("#ae2749", 0.5, 0.17, 12),
];

/** The hue of a head; above sixteen heads the hues repeat and the printed number decides. */
export const headHue = (head: number): HeadHue => HUES[head % HUES.length] ?? FIRST;

/** The mark colour of a head: bars, badge underlines, curves. */
export function headColour(head: number, theme: Theme): string {
  const { hex, lightness, chroma, hue: angle } = headHue(head);
  return theme === "light"
    ? hex
    : css(oklch(0.64 + (lightness - 0.42) * 0.7, Math.min(chroma, 0.15), angle));
}

/** The pale ground of a head's badge. */
export function headGround(head: number, theme: Theme): string {
  const { chroma, hue: angle } = headHue(head);
  return css(
    theme === "light" ? oklch(0.92, 0.045, angle) : oklch(0.36, Math.min(chroma, 0.09), angle),
  );
}
