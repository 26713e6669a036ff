/** Positions among the recorded steps; -1 where there is none. */
export interface Marks {
  readonly a: number;
  readonly b: number;
  readonly best: number;
}
