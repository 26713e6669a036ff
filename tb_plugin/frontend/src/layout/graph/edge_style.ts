// How strong an edge is drawn: five named classes, or the paper's opacity as a baseline.

import type { Theme } from "../../scale/head_colours";
import { attentionRamp } from "../../scale/ramps";
import { type Classes, edgeClass } from "./token_graph";

/** What the colour of an edge says. `opacity` is CS559's own drawing, kept to compare with. */
export type EdgeColour = "weight" | "head" | "opacity";

const CLASS_WIDTHS = [0.9, 1.6, 2.7, 4.2, 6.2] as const;
/** On a dark ground a thin line needs more light to be seen at all. */
const CLASS_WEIGHTS = {
  light: [0.1, 0.2, 0.36, 0.6, 0.95],
  dark: [0.17, 0.27, 0.42, 0.63, 0.95],
} as const;
const BASELINE_WIDTH = 1.5;
/** px between neighbouring tokens from which on edges have their full width. */
const ROOMY = 34;
const NARROWEST = 0.35;

/** The width of a class on a ring whose tokens stand `pitch` px apart. */
export const classWidth = (level: number, pitch: number): number =>
  (CLASS_WIDTHS[level] ?? 1) * Math.max(NARROWEST, Math.min(1, pitch / ROOMY));

/** The shade of a class on the ramp shared by all views. */
export const classColour = (level: number, theme: Theme): string =>
  attentionRamp(null, theme).colour(CLASS_WEIGHTS[theme][level] ?? 1);

/** A head's hue, at every class strong enough to be told from others; width tells the class. */
export const headColour = (level: number, theme: Theme, head: number | null): string =>
  attentionRamp(head, theme).colour(0.3 + 0.08 * level);

export interface Stroke {
  readonly width: number;
  /** 0 to 1; only the baseline uses it. */
  readonly opacity: number;
  /** One of the five classes; null in the baseline. */
  readonly level: number | null;
}

/** Width and opacity of an edge. `share` is its weight between the plane's weakest and strongest. */
export function edgeStroke(
  colour: EdgeColour,
  edge: { readonly level: number; readonly share: number },
  classes: Classes,
  pitch: number,
): Stroke {
  if (colour === "opacity") {
    return { width: BASELINE_WIDTH, opacity: Math.max(0, Math.min(1, edge.share)), level: null };
  }
  const level = edgeClass(edge.level, classes);
  return { width: classWidth(level, pitch), opacity: 1, level };
}
