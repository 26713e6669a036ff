// How strong an edge is drawn: five named classes, or the paper's opacity as a baseline.

import type { Theme } from "../../scale/heads";
import { attentionRamp } from "../../scale/ramps";
import { CLASSES, edgeClass, type Norm } from "./graph";

/** What the colour of an edge says. `opacity` is CS559's own drawing, kept to compare with. */
export type EdgeColour = "weight" | "head" | "opacity";

const CLASS_WIDTHS = [0.7, 1.5, 2.7, 4.2, 6.2] as const;
const CLASS_WEIGHTS = [0.07, 0.16, 0.32, 0.58, 0.95] as const;
const BASELINE_WIDTH = 1.5;
/** Up to this many tokens edges have their full width; more tokens stand closer together. */
const ROOMY = 20;
const NARROWEST = 0.35;

/** The width of a class on a ring of this many tokens. */
export const classWidth = (level: number, tokens: number): number =>
  (CLASS_WIDTHS[level] ?? 1) * Math.max(NARROWEST, Math.min(1, ROOMY / Math.max(1, tokens)));

/** The shade of a class on the ramp shared by all views. */
export const classColour = (level: number, theme: Theme): string =>
  attentionRamp(null, theme).colour(CLASS_WEIGHTS[level] ?? 1);

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
  least: number,
  norm: Norm,
  tokens: number,
): Stroke {
  if (colour === "opacity") {
    return { width: BASELINE_WIDTH, opacity: Math.max(0, Math.min(1, edge.share)), level: null };
  }
  const level = Math.min(CLASSES - 1, edgeClass(edge.level, least, norm));
  return { width: classWidth(level, tokens), opacity: 1, level };
}
