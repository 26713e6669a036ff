// Everything the network view draws that is computed from maps: once per step, for all layers.
import {
  difference,
  headMap,
  keyShares,
  type Maps,
  type Matrix,
  meanOverHeads,
} from "../core/maps";

export interface LayerNumbers {
  /** Mean over heads: the weight of the links. */
  readonly mean: Matrix;
  /** Share of attention each key receives, [head][key]. */
  readonly shares: readonly Float32Array[];
}

export function layerNumbers(maps: Maps, layer: number, heads: number): LayerNumbers {
  return {
    mean: meanOverHeads(maps, layer, heads),
    shares: Array.from({ length: heads }, (_, head) => keyShares(headMap(maps, layer, head))),
  };
}

/** A head's map as shown: at one step, or the change between two. */
export function shownMap(maps: Maps, reference: Maps | null, layer: number, head: number): Matrix {
  const map = headMap(maps, layer, head);
  return reference === null ? map : difference(map, headMap(reference, layer, head));
}
