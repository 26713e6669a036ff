// The planes of the graph view: what is kept of every layer, and its numbers.
import type { Axis } from "../core/axis";
import { headMap, type Maps, type Matrix, meanOverHeads } from "../core/maps";
import type { Range } from "../core/window";
import {
  type Edge,
  edgeLevels,
  type GraphHead,
  type Norm,
  type PairRule,
  pairEdges,
} from "./graph";
import { type Prune, pruneEdges } from "./graph_prune";
import { type Topology, topology } from "./topology";

export interface GraphRule {
  readonly head: GraphHead;
  readonly pair: PairRule;
  readonly norm: Norm;
  /** By what edges are kept. */
  readonly prune: Prune;
  /** The level, the number of edges of a plane or the share of weight that `prune` asks for. */
  readonly least: number;
  /** Layers that share a plane; null for as many as a deep model needs. */
  readonly group: number | null;
  /** Leave out the edges of special tokens. */
  readonly words: boolean;
}

export interface PlaneEdge extends Edge {
  readonly level: number;
  /** Weight at A minus weight at B; null when one step is shown as it is. */
  readonly change: number | null;
  /** Where the weight lies between the plane's weakest and strongest edge, 0 to 1. */
  readonly share: number;
}

/** What a plane is made of. */
export interface PlaneSource {
  readonly layers: Range;
  readonly map: Matrix;
  readonly before: Matrix | null;
  readonly query: Axis;
  readonly key: Axis;
  /** Tokens of the whole text along the key axis, of which `key` may be a window. */
  readonly tokens: number;
}

export interface Plane {
  readonly layers: Range;
  readonly map: Matrix;
  /** All edges, kept or not, in reading order. */
  readonly all: readonly PlaneEdge[];
  /** Those that may be kept: without special tokens where these are left out. */
  readonly eligible: readonly PlaneEdge[];
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

export function graphPlane(source: PlaneSource, rule: GraphRule): Plane {
  const { layers, map, before, query, key, tokens } = source;
  const levelsOf = (edges: readonly Edge[], of: Matrix): number[] =>
    edgeLevels(edges, of, rule.norm, rule.pair, tokens);
  const edges = pairEdges(map, rule.pair);
  const levels = levelsOf(edges, map);
  const beforeEdges = before ? pairEdges(before, rule.pair) : null;
  const beforeLevels = before && beforeEdges ? levelsOf(beforeEdges, before) : null;
  const shares = edgeLevels(edges, map, "layer", rule.pair);
  const isSpecial = ({ from, to }: Edge): boolean =>
    (query[from]?.special ?? false) || (key[to]?.special ?? false);
  const all = edges.map((edge, at): PlaneEdge => {
    const other = beforeEdges?.[at];
    return {
      ...edge,
      level: Math.max(levels[at] ?? 0, beforeLevels?.[at] ?? Number.NEGATIVE_INFINITY),
      change: other ? edge.weight - other.weight : null,
      share: shares[at] ?? 0,
    };
  });
  const eligible = all.filter((edge) => !(rule.words && isSpecial(edge)));
  const kept = pruneEdges(eligible, rule.prune, rule.least);
  const total = sumOf(all) || 1;
  const cross = rule.pair === "cross";
  const size = cross ? query.length + key.length : key.length;
  // In a bipartite graph keys are numbered after queries.
  const joints = cross ? kept.map(({ from, to }) => ({ from, to: query.length + to })) : kept;
  return {
    layers,
    map,
    all,
    eligible,
    kept,
    mass: sumOf(kept) / total,
    specialMass: sumOf(all.filter(isSpecial)) / total,
    topology: topology(joints, size),
  };
}

const sumOf = (edges: readonly Edge[]): number =>
  edges.reduce((all, { weight }) => all + weight, 0);
