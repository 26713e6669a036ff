// Piles that keep their letter from step to step, with how far two groupings agree.
import type { PileTree } from "../../core/recording";
import { assign } from "./assignment";
import { type Piled, pilesAt } from "./pile_places";

export interface PileMatch {
  /** The number of each pile: that of the pile of B it shares most heads with, else a new one. */
  readonly names: readonly number[];
  /** Adjusted Rand index: 1 the same piles, about 0 for chance. */
  readonly agreement: number;
}

/** Match by the largest number of heads in common, one to one. */
export function matchPiles(
  before: readonly (readonly number[])[],
  now: readonly (readonly number[])[],
): PileMatch {
  const common = now.map((pile) =>
    before.map((old) => pile.filter((head) => old.includes(head)).length),
  );
  const given = assign(common.map((row) => row.map((count) => -count)));
  let unused = before.length;
  const names = given.map((old, pile) =>
    old >= 0 && (common[pile]?.[old] ?? 0) > 0 ? old : unused++,
  );
  return { names, agreement: adjustedRand(common) };
}

export interface NamedPiles {
  readonly piles: readonly Piled[];
  /** How far the piles agree with B's at the same distance; null without B. */
  readonly agreement: number | null;
}

/** The piles of a layer up to a distance, named after B's and in the order of their names. */
export function namedPiles(tree: PileTree, before: PileTree | null, distance: number): NamedPiles {
  const piles = pilesAt(tree, distance);
  if (!before) {
    return { piles: piles.map((heads) => ({ heads, name: null })), agreement: null };
  }
  const { names, agreement } = matchPiles(pilesAt(before, distance), piles);
  return {
    piles: piles
      .map((heads, at) => ({ heads, name: names[at] ?? at }))
      .sort((a, b) => a.name - b.name),
    agreement,
  };
}

/** Hubert and Arabie 1985, equation 5, from the table of common members. */
function adjustedRand(common: readonly (readonly number[])[]): number {
  const pairs = (count: number): number => (count * (count - 1)) / 2;
  const sum = (counts: readonly number[]): number => counts.reduce((all, count) => all + count, 0);
  const rows = common.map(sum);
  const columns = (common[0] ?? []).map((_, column) => sum(common.map((row) => row[column] ?? 0)));
  const together = sum(common.flat().map(pairs));
  const a = sum(rows.map(pairs));
  const b = sum(columns.map(pairs));
  const every = pairs(sum(rows));
  const chance = every > 0 ? (a * b) / every : 0;
  const most = (a + b) / 2;
  return most === chance ? 1 : (together - chance) / (most - chance);
}

/** "a", "b", ... "z", "aa": names of piles, so that numbers stay with heads. */
export function pileLetter(name: number): string {
  const letter = String.fromCharCode(97 + (name % 26));
  return name < 26 ? letter : pileLetter(Math.floor(name / 26) - 1) + letter;
}
