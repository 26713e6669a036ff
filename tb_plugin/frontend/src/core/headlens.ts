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
  /** Share of tokens that kept their cluster since an earlier step; null at the first step. */
  readonly kept: number | null;
  /** Adjusted Rand index with that step. */
  readonly agreement: number | null;
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
  /** Clusters of what the keys' tokens carry; null where values were not recorded. */
  readonly values: LensSide | null;
  readonly products: Table;
  readonly centred: Table;
  /** Null where the maps of the sentences were not recorded. */
  readonly mass: Table | null;
  /** Share of attention from query cluster to value cluster. */
  readonly value_mass: Table | null;
  /** Mean |A V| of each query cluster's tokens; null without maps or values. */
  readonly reads: readonly (number | null)[] | null;
  /** How far tables reach over all of training: colours end there at every step. */
  readonly limits: { readonly products: number; readonly centred: number };
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

const ENDS = ["SOS", "EOS"];

/** Most of a cluster is the start or the end of sentences: attention rests there. */
export function isResting(
  { profile }: LensSide,
  cluster: number,
  tags: readonly string[],
): boolean {
  const shares = profile.tags[cluster] ?? [];
  return ENDS.reduce((sum, tag) => sum + (shares[tags.indexOf(tag)] ?? 0), 0) > 0.5;
}

/** The cell a lens opens with: the largest value between clusters of words. */
export function firstCell({ products, queries, keys, tags }: Lens): LensCell {
  const between = products.map((row, query) =>
    row.map((value, key) =>
      isResting(queries, query, tags) || isResting(keys, key, tags) ? null : value,
    ),
  );
  return strongestCell(between);
}

/** The cell of the largest value. */
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

/** What a query cluster takes home, as a multiple of all tokens' mean; null where it is unknown. */
export function readsOf({ reads, queries }: Lens, cluster: number): number | null {
  const sizes = queries.profile.size;
  const all = (reads ?? []).map((read, at) => ({ read, tokens: sizes[at] ?? 0 }));
  const known = all.filter(({ read }) => read !== null);
  const tokens = known.reduce((sum, { tokens }) => sum + tokens, 0);
  const total = known.reduce((sum, { read, tokens }) => sum + (read ?? 0) * tokens, 0);
  const own = reads?.[cluster] ?? null;
  return own === null || total <= 0 ? null : (own * tokens) / total;
}

/** The value cluster that most tokens of a key cluster are in: what these keys carry. */
export function carriedBy({ keys, values }: Lens, key: number): number {
  const counts = new Map<number, number>();
  keys.labels.forEach((label, token) => {
    const value = values?.labels[token];
    if (label === key && value !== undefined) {
      counts.set(value, (counts.get(value) ?? 0) + 1);
    }
  });
  const [first] = [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0]);
  return first?.[0] ?? 0;
}
