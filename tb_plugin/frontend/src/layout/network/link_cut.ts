// The four ways to say which links are worth drawing, and the slider of each.
import type { LinkCut } from "../../core/selection";

export interface CutSlider {
  readonly min: number;
  readonly max: number;
  readonly step: number;
  /** Where the slider stands when this rule is chosen. */
  readonly start: number;
}

/** Above this many keys weights are so small that the threshold moves in thousandths. */
const FINE_KEYS = 100;
const STRONGEST = 0.5;
const MOST_LINKS = 400;

/** The slider of a rule for a sentence of this size. */
export function cutSlider(kind: LinkCut["kind"], queries: number, keys: number): CutSlider {
  const fine = keys > FINE_KEYS;
  switch (kind) {
    case "even":
      return { min: 0.5, max: 10, step: 0.1, start: 1.5 };
    case "value":
      return {
        min: 0,
        max: STRONGEST,
        step: fine ? 0.001 : 0.005,
        start: Math.max(
          fine ? 0.001 : 0.01,
          Number(Math.min(STRONGEST, 1.5 / Math.max(1, keys)).toFixed(fine ? 3 : 2)),
        ),
      };
    case "mass":
      return { min: 0.05, max: 1, step: 0.01, start: 0.5 };
    case "count": {
      const max = Math.max(1, Math.min(MOST_LINKS, queries * keys));
      return { min: 1, max, step: 1, start: Math.min(max, 2 * queries) };
    }
  }
}
