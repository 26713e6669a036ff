// Everything the network view draws that is computed from maps: once per step, for all layers.
import {
  difference,
  headMap,
  keyShares,
  type Maps,
  type Matrix,
  meanOfMaps,
  meanOverHeads,
} from "../../core/maps";

export interface LayerNumbers {
  /** Mean over heads: the weight of the links. */
  readonly mean: Matrix;
  /** Share of attention each key receives, [head][key]. */
  readonly shares: readonly Float32Array[];
}

const known = new WeakMap<Maps, Map<number, LayerNumbers>>();

/** The numbers of a layer, computed once for all who draw or count its links. */
export function layerNumbers(maps: Maps, layer: number, heads: number): LayerNumbers {
  const layers = known.get(maps) ?? new Map<number, LayerNumbers>();
  known.set(maps, layers);
  const numbers = layers.get(layer) ?? {
    mean: meanOverHeads(maps, layer, heads),
    shares: Array.from({ length: heads }, (_, head) => keyShares(headMap(maps, layer, head))),
  };
  layers.set(layer, numbers);
  return numbers;
}

/** The mean of some heads as shown: at one step, or the change between two. */
export function shownPile(
  maps: Maps,
  reference: Maps | null,
  layer: number,
  heads: readonly number[],
): Matrix {
  const own = heads.map((head) => shownMap(maps, reference, layer, head));
  return own.length === 1 && own[0] ? own[0] : meanOfMaps(own);
}

/** A head's map as shown: at one step, or the change between two. */
export function shownMap(maps: Maps, reference: Maps | null, layer: number, head: number): Matrix {
  const map = headMap(maps, layer, head);
  return reference === null ? map : difference(map, headMap(reference, layer, head));
}
