import type { ClassLayer } from "./recording";

/** A classifier's answer to one sentence at one step, as the server sends it. */
export interface ClassAnswer {
  readonly scores: readonly number[];
  /** What every token of the source adds to every score, [token][class]. */
  readonly contributions: readonly (readonly number[])[];
  /** How they were obtained at this step; an exported page of an earlier version does not say. */
  readonly method?: ClassLayer["method"];
}
