import { type ClassLayer, numberOf, type Told } from "./recording";

/** A classifier's answer to one sentence at one step. */
export interface ClassAnswer {
  readonly scores: readonly number[];
  /** What every token of the source adds to every score, [token][class]. */
  readonly contributions: readonly (readonly number[])[];
  /** How they were obtained at this step; an exported page of an earlier version does not say. */
  readonly method?: ClassLayer["method"];
}

/** The answer as the server sends it: what is not a number is null there. */
export interface ToldAnswer extends Omit<ClassAnswer, "scores" | "contributions"> {
  readonly scores: readonly (Told | null)[];
  readonly contributions: readonly (readonly (Told | null)[])[];
}

export const classAnswer = (told: ToldAnswer): ClassAnswer => ({
  ...told,
  scores: told.scores.map(numberOf),
  contributions: told.contributions.map((added) => added.map(numberOf)),
});
