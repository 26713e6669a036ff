// What a head's queries and keys stand for, as the server sends it (SANVis, section 4.3).

export interface LensWord {
  readonly text: string;
  readonly count: number;
  readonly tag: string;
}

export interface LensProfile {
  readonly size: readonly number[];
  /** Share of each part of speech, [cluster][tag]. */
  readonly tags: readonly (readonly number[])[];
  /** Share of each place in the sentence, first to last, [cluster][place]. */
  readonly places: readonly (readonly number[])[];
  /** The most frequent words, [cluster]. */
  readonly words: readonly (readonly LensWord[])[];
}

export interface LensSide {
  readonly labels: readonly number[];
  /** Share of tokens that kept their cluster since the step before; null at the first step. */
  readonly kept: number | null;
  readonly profile: LensProfile;
}

type Table = readonly (readonly (number | null)[])[];

export interface Lens {
  readonly step: number;
  readonly part: string;
  readonly layer: number;
  readonly head: number;
  readonly tagger: string;
  readonly d_head: number;
  readonly tags: readonly string[];
  readonly queries: LensSide;
  readonly keys: LensSide;
  readonly products: Table;
  readonly centred: Table;
  /** Null where the maps of the sentences were not recorded. */
  readonly mass: Table | null;
}

/** Which of a lens's tables is drawn: rows are query clusters, columns key clusters. */
export type LensTable = "products" | "centred" | "mass";

export interface ElbowSide {
  readonly ks: readonly number[];
  readonly inertias: readonly number[];
  readonly chosen: number;
}

export interface Elbow {
  readonly queries: ElbowSide;
  readonly keys: ElbowSide;
}

/** One cell of the cluster table. */
export interface LensCell {
  readonly query: number;
  readonly key: number;
}

/** The cell of the largest value: what the head most likely does. */
export function strongestCell(table: Table): LensCell {
  let best: LensCell = { query: 0, key: 0 };
  let most = Number.NEGATIVE_INFINITY;
  table.forEach((row, query) => {
    row.forEach((value, key) => {
      if (value !== null && value > most) {
        most = value;
        best = { query, key };
      }
    });
  });
  return best;
}

/** The largest absolute value of a table; 1 for an empty one. */
export function largest(table: Table): number {
  return Math.max(1e-9, ...table.flat().map((value) => Math.abs(value ?? 0)));
}
