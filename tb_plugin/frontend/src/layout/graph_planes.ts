// The planes of the graph view: what is kept of every layer, and its numbers.
import type { Axis } from "../core/axis";
import { headMap, type Maps, type Matrix, meanOverHeads } from "../core/maps";
import {
  type Edge,
  edgeLevels,
  type GraphHead,
  type Norm,
  type PairRule,
  pairEdges,
} from "./graph";
import { type Topology, topology } from "./topology";

export interface GraphRule {
  readonly head: GraphHead;
  readonly pair: PairRule;
  readonly norm: Norm;
  /** Edges from this level on are drawn. */
  readonly least: number;
  /** Leave out the edges of special tokens. */
  readonly words: boolean;
}

export interface PlaneEdge extends Edge {
  readonly level: number;
  /** Weight at A minus weight at B; null when one step is shown as it is. */
  readonly change: number | null;
}

export interface Plane {
  readonly map: Matrix;
  /** All edges, kept or not, in reading order. */
  readonly all: readonly PlaneEdge[];
  readonly kept: readonly PlaneEdge[];
  /** Share of the weight off the diagonal that the kept edges carry. */
  readonly mass: number;
  /** Share of it that lies on edges of special tokens. */
  readonly specialMass: number;
  readonly topology: Topology;
}

/** The maps of a layer joined into one, as the rule says. */
export function joinHeads(maps: Maps, layer: number, heads: number, head: GraphHead): Matrix {
  if (head === "mean") {
    return meanOverHeads(maps, layer, heads);
  }
  if (head !== "max") {
    return headMap(maps, layer, Math.min(head, heads - 1));
  }
  const first = headMap(maps, layer, 0);
  const data = first.data.slice();
  for (let other = 1; other < heads; other++) {
    headMap(maps, layer, other).data.forEach((value, cell) => {
      data[cell] = Math.max(data[cell] ?? 0, value);
    });
  }
  return { ...first, data };
}

export function graphPlane(map: Matrix, before: Matrix | null, axis: Axis, rule: GraphRule): Plane {
  const edges = pairEdges(map, rule.pair);
  const levels = edgeLevels(edges, map, rule.norm, rule.pair);
  const beforeEdges = before ? pairEdges(before, rule.pair) : null;
  const beforeLevels =
    before && beforeEdges ? edgeLevels(beforeEdges, before, rule.norm, rule.pair) : null;
  const isSpecial = ({ from, to }: Edge): boolean =>
    (axis[from]?.special ?? false) || (axis[to]?.special ?? false);
  const all = edges.map((edge, at): PlaneEdge => {
    const other = beforeEdges?.[at];
    return {
      ...edge,
      level: Math.max(levels[at] ?? 0, beforeLevels?.[at] ?? Number.NEGATIVE_INFINITY),
      change: other ? edge.weight - other.weight : null,
    };
  });
  const kept = all.filter((edge) => edge.level >= rule.least && !(rule.words && isSpecial(edge)));
  const total = sumOf(all) || 1;
  return {
    map,
    all,
    kept,
    mass: sumOf(kept) / total,
    specialMass: sumOf(all.filter(isSpecial)) / total,
    topology: topology(kept, axis.length),
  };
}

const sumOf = (edges: readonly Edge[]): number =>
  edges.reduce((all, { weight }) => all + weight, 0);
