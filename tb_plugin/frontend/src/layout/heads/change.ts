// How much a head changed between two steps.

import { BACKWARDS, EVERYWHERE, visibleKeys } from "../../core/even";
import { headMap, type Maps, type Matrix } from "../../core/maps";
import type { HeadId, Part } from "../../core/recording";

/**
 * Mean over queries of the Jensen-Shannon distance between two attention rows (Lin 1991; the square
 * root of the divergence in bits is a metric, Endres and Schindelin 2003). 0: the same rows, 1: no
 * key in common, NaN: no query has a choice. The Python side calls it `head_change`. Rows are
 * compared as they are shown; what hidden tokens receive is left out.
 */
export function headChange(a: Matrix, b: Matrix, choosing: readonly boolean[]): number {
  let sum = 0;
  let count = 0;
  for (let query = 0; query < a.rows; query++) {
    if (choosing[query]) {
      sum += Math.sqrt(Math.max(0, divergence(a.data, b.data, query * a.cols, a.cols)));
      count += 1;
    }
  }
  return count > 0 ? sum / count : Number.NaN;
}

/** Which rows of the maps have a query that sees more than one key. */
export function choosingRows(
  maps: Maps,
  { kind, causal }: Pick<Part, "kind" | "causal">,
  documents?: readonly number[],
): readonly boolean[] {
  const far = causal && kind !== "cross" ? BACKWARDS : EVERYWHERE;
  const sight = documents ? { ...far, documents } : far;
  const { query = 0, key = 0, merge = 1 } = maps.from ?? {};
  return Array.from(
    { length: maps.queries },
    (_, row) => visibleKeys(sight, query + (row + 1) * merge - 1, key + maps.keys * merge) > 1,
  );
}

function divergence(a: Float32Array, b: Float32Array, start: number, size: number): number {
  let bits = 0;
  for (let cell = start; cell < start + size; cell++) {
    const p = a[cell] ?? 0;
    const q = b[cell] ?? 0;
    const middle = (p + q) / 2;
    bits += (p > 0 ? p * Math.log2(p / middle) : 0) + (q > 0 ? q * Math.log2(q / middle) : 0);
  }
  return bits / 2;
}

const rank = ({ change }: RankedHead): number =>
  Number.isNaN(change) ? Number.POSITIVE_INFINITY : change;

export interface RankedHead extends HeadId {
  readonly change: number;
}

/** All heads, the most changed first; before them those whose change is not a number. */
export function rankByChange(
  a: Maps,
  b: Maps,
  part: Pick<Part, "kind" | "causal">,
  headsPerLayer: readonly number[],
  documents?: readonly number[],
): RankedHead[] {
  const choosing = choosingRows(a, part, documents);
  return headsPerLayer
    .flatMap((heads, layer) =>
      Array.from({ length: heads }, (_, head) => ({
        layer,
        head,
        change: headChange(headMap(a, layer, head), headMap(b, layer, head), choosing),
      })),
    )
    .sort((one, other) => rank(other) - rank(one) || 0);
}
