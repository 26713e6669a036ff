// Deep models: neighbouring layers share a plane.
import { type Maps, type Matrix, meanOfMaps } from "../../core/maps";
import type { Range } from "../../core/window";
import { joinHeads } from "./graph_planes";
import type { GraphHead } from "./token_graph";

/** More planes than this stand behind each other. */
const MOST_PLANES = 8;
const UNGROUPED = 12;

/** Layers per plane: all their own in a shallow model; what the user chose otherwise. */
export function groupSize(chosen: number | null, layers: number): number {
  const first = layers <= UNGROUPED ? 1 : Math.ceil(layers / MOST_PLANES);
  return Math.max(1, Math.min(layers, chosen ?? first));
}

/** The layers of every plane, in order; the last plane may have fewer. */
export function layerGroups(range: Range, size: number): Range[] {
  return Array.from({ length: Math.ceil((range.stop - range.start) / size) }, (_, at) => {
    const start = range.start + at * size;
    return { start, stop: Math.min(range.stop, start + size) };
  });
}

/** The mean over a plane's layers of their joined heads. */
export function joinLayers(
  maps: Maps,
  group: Range,
  heads: readonly number[],
  head: GraphHead,
): Matrix {
  const joined = Array.from({ length: group.stop - group.start }, (_, at) => {
    const layer = group.start + at;
    return joinHeads(maps, layer, heads[layer] ?? maps.heads, head);
  });
  return joined.length === 1 && joined[0] ? joined[0] : meanOfMaps(joined);
}

/** The mean of even attention over a plane's layers: one map where all of them see alike. */
export function joinEven(maps: readonly Matrix[], group: Range): Matrix {
  const own = maps.slice(group.start, group.stop);
  const [first] = own;
  return first && own.every((map) => map === first) ? first : meanOfMaps(own);
}

/** "Layer 3", or "Layers 4–6". */
export const groupTitle = ({ start, stop }: Range): string =>
  stop - start === 1 ? `Layer ${stop}` : `Layers ${start + 1}–${stop}`;
