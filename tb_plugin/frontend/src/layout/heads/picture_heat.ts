// Attention of one query over the picture that the keys are patches of.
import type { ColourScale } from "../../core/contrast";
import { EVEN_LIMIT } from "../../core/contrast";
import type { Matrix } from "../../core/maps";

export interface PictureHeat {
  /** What every patch gets, in reading order. */
  readonly patches: Float32Array;
  /** What [CLS], registers and other tokens that are no patches get together. */
  readonly apart: number;
}

/** A row of weights over keys as weights over patches; a mark of several patches is shared evenly. */
export function pictureHeat(
  row: Float32Array,
  places: readonly (readonly number[])[],
  count: number,
): PictureHeat {
  const patches = new Float32Array(count);
  let apart = 0;
  places.forEach((own, key) => {
    const weight = row[key] ?? 0;
    if (own.length === 0) {
      apart += weight;
    }
    for (const patch of own) {
      patches[patch] = (patches[patch] ?? 0) + weight / own.length;
    }
  });
  return { patches, apart };
}

export const rowOf = ({ data, cols }: Matrix, query: number): Float32Array =>
  data.subarray(query * cols, (query + 1) * cols);

/**
 * Where the attention of a query comes from through all layers up to each one (rollout, Abnar and
 * Zuidema 2020): every layer is half its mean over heads and half the residual stream. [layer][key]
 */
export function rolloutRows(means: readonly Matrix[], query: number): Float32Array[] {
  return means.map((_, last) => {
    let row = new Float32Array(means[last]?.cols ?? 0);
    row[query] = 1;
    for (let layer = last; layer >= 0; layer--) {
      row = through(row, means[layer] as Matrix);
    }
    return row;
  });
}

function through(row: Float32Array, { data, rows, cols }: Matrix): Float32Array<ArrayBuffer> {
  const next = new Float32Array(cols);
  for (let from = 0; from < rows; from++) {
    const weight = row[from] ?? 0;
    if (weight > 0) {
      for (let to = 0; to < cols; to++) {
        next[to] = (next[to] ?? 0) + 0.5 * weight * (data[from * cols + to] ?? 0);
      }
      next[from] = (next[from] ?? 0) + 0.5 * weight;
    }
  }
  return next;
}

/** The weight with the strongest colour. `even` is what a patch gets under even attention. */
export function fullColour(
  { contrast, top }: Pick<ColourScale, "contrast" | "top">,
  even: number,
): number {
  return contrast === "even" ? EVEN_LIMIT * even : contrast === "layer" ? top : 1;
}
