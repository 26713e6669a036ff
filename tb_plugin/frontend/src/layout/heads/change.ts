// How much a head changed between two steps.
import { headMap, type Maps, type Matrix } from "../../core/maps";
import type { HeadId } from "../../core/recording";

/**
 * Mean over queries of the Jensen-Shannon distance between two attention rows (Lin 1991; the square
 * root of the divergence in bits is a metric, Endres and Schindelin 2003). 0: the same rows, 1: no
 * key in common. Rows are compared as they are shown; what hidden tokens receive is left out.
 */
export function rowDistance(a: Matrix, b: Matrix): number {
  let sum = 0;
  for (let query = 0; query < a.rows; query++) {
    sum += Math.sqrt(Math.max(0, divergence(a.data, b.data, query * a.cols, a.cols)));
  }
  return a.rows > 0 ? sum / a.rows : 0;
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
export function rankByChange(a: Maps, b: Maps, headsPerLayer: readonly number[]): RankedHead[] {
  return headsPerLayer
    .flatMap((heads, layer) =>
      Array.from({ length: heads }, (_, head) => ({
        layer,
        head,
        change: rowDistance(headMap(a, layer, head), headMap(b, layer, head)),
      })),
    )
    .sort((one, other) => rank(other) - rank(one) || 0);
}
