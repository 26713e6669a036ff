// One head over all recorded steps, as the server sends it: its piles, its queries and keys.
import type { HeadId } from "./recording";

export interface StepPile {
  /** Positions among the steps. */
  readonly first: number;
  readonly last: number;
  /** The mean map, one byte per weight in base64: a = (byte / 255)². */
  readonly codes: string;
  /** Rows that are not numbers at one of its steps. */
  readonly nan_rows?: readonly number[];
}

export interface OverTime extends HeadId {
  readonly part: string;
  readonly probe: number;
  /** How much a step differs that starts a pile, 0 to 1. */
  readonly cut: number;
  /** How many sentences the steps were compared on. */
  readonly sentences: number;
  readonly steps: readonly number[];
  /** How much the head changed from each step to the next, 0 to 1; null where unknown. */
  readonly changes: readonly (number | null)[];
  readonly shape: readonly [rows: number, columns: number];
  readonly piles: readonly StepPile[];
}

export interface JointPoints {
  readonly x: readonly number[];
  readonly y: readonly number[];
  /** Positions among the tags. */
  readonly tag: readonly number[];
  readonly word: readonly string[];
  readonly probe: readonly number[];
}

/** Queries and keys of a head on a plane that is the same at every step. */
export interface Joint extends HeadId {
  readonly step: number;
  readonly part: string;
  readonly tags: readonly string[];
  readonly tagger: string;
  /** Through the vectors of how many steps the plane was laid. */
  readonly basis_steps: number;
  /** Share of the spread along each axis. */
  readonly explained: readonly [number, number];
  /** No vector of those steps lies farther out on either axis. */
  readonly reach: number;
  readonly queries: JointPoints;
  readonly keys: JointPoints;
}
