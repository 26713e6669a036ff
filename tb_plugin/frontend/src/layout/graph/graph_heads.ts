// Which head an edge owes most to, so that all heads can be shown at once.
import { headMap, type Maps } from "../../core/maps";
import type { Plane } from "./graph_planes";
import type { Edge } from "./token_graph";

/** For every kept edge of a plane, the head with the largest weight on it (both directions). */
export function strongestHeads(
  plane: Plane,
  maps: Maps,
  heads: readonly number[],
): ReadonlyMap<Edge, number> {
  const best = new Map<Edge, { head: number; weight: number }>();
  for (let layer = plane.layers.start; layer < plane.layers.stop; layer++) {
    for (let head = 0; head < (heads[layer] ?? 0); head++) {
      const { data, cols } = headMap(maps, layer, head);
      for (const edge of plane.kept) {
        const back = edge.backward > 0 ? (data[edge.to * cols + edge.from] ?? 0) : 0;
        const weight = (data[edge.from * cols + edge.to] ?? 0) + back;
        if (weight > (best.get(edge)?.weight ?? Number.NEGATIVE_INFINITY)) {
          best.set(edge, { head, weight });
        }
      }
    }
  }
  return new Map([...best].map(([edge, { head }]) => [edge, head]));
}
