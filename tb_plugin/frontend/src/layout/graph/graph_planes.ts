// The planes of the graph view: what is kept of every layer, and its numbers.
import type { Axis } from "../../core/axis";
import { headMap, type Maps, type Matrix, meanOverHeads } from "../../core/maps";
import type { Fate } from "../../core/selection";
import type { Range } from "../../core/window";
import { fateOf } from "../network/links";
import { followable, type Prune, pruneEdges } from "./graph_prune";
import {
  type Edge,
  edgeLevels,
  type GraphHead,
  type Norm,
  type PairRule,
  pairEdges,
} from "./token_graph";
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
  /** Leave out the edges of special tokens, and of the first token of a causal text. */
  readonly words: boolean;
}

export interface PlaneEdge extends Edge {
  /** At A or at B, whichever is higher. */
  readonly level: number;
  /** Weight at A minus weight at B; null when one step is shown as it is. */
  readonly change: number | null;
  /** Where the rule keeps it; null when one step is shown as it is, or when it is kept nowhere. */
  readonly fate: Fate | null;
  /** The weight under even attention. */
  readonly even: number;
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
  /** Even attention over the cells of the map. */
  readonly even: Matrix;
  /** No query sees a key after itself. */
  readonly causal: boolean;
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
  /** Some weights are not numbers, so that their edges are unknown. */
  readonly undefinedWeights: boolean;
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

/** The edges of a plane at one step. */
interface Side {
  readonly edges: readonly Edge[];
  readonly levels: readonly number[];
  /** Those that the rule keeps, by their place in reading order. */
  readonly kept: ReadonlySet<number>;
}

function sideAt(map: Matrix, source: PlaneSource, rule: GraphRule): Side {
  const edges = pairEdges(map, rule.pair);
  const levels = edgeLevels(edges, map, rule.norm, rule.pair, source.even);
  const allowed = edges.flatMap((edge, at) =>
    isEligible(edge, source, rule)
      ? [{ at, from: edge.from, to: edge.to, weight: edge.weight, level: levels[at] ?? 0 }]
      : [],
  );
  const amount = rule.prune === "auto" ? followable(wordCount(source, rule)) : rule.least;
  const kept = pruneEdges(allowed, rule.prune, amount).map(({ at }) => at);
  return { edges, levels, kept: new Set(kept) };
}

/** Shorter causal texts keep their first token: little would be left of them. */
const SHORT = 8;

/**
 * Whether a token takes attention because of its place and not because of what it says: a special
 * one, or the first of a causal text, which all queries see (Xiao et al. 2024, attention sinks).
 */
export const isSink = (axis: Axis, token: number, causal: boolean): boolean =>
  (axis[token]?.special ?? false) ||
  (causal && axis.length >= SHORT && (axis[token]?.members.includes(0) ?? false));

const isSpecial = ({ from, to }: Edge, { query, key, causal }: PlaneSource): boolean =>
  isSink(query, from, causal) || isSink(key, to, causal);

const wordCount = ({ key, causal }: PlaneSource, { words }: GraphRule): number =>
  key.filter((_, token) => !(words && isSink(key, token, causal))).length;

const isEligible = (edge: Edge, source: PlaneSource, { words }: GraphRule): boolean =>
  !(words && isSpecial(edge, source));

export function graphPlane(source: PlaneSource, rule: GraphRule): Plane {
  const { layers, map, before, query, key } = source;
  const a = sideAt(map, source, rule);
  const b = before && sideAt(before, source, rule);
  const shares = edgeLevels(a.edges, map, "layer", rule.pair, source.even);
  const even = pairEdges(source.even, rule.pair);
  /** Where one side is not a number nobody knows whether an edge was born or lost. */
  const known = (at: number): boolean =>
    !(b && Number.isNaN((a.edges[at]?.weight ?? 0) + (b.edges[at]?.weight ?? 0)));
  const isKept = (at: number): boolean =>
    known(at) && (a.kept.has(at) || (b?.kept.has(at) ?? false));
  const all = a.edges.map((edge, at): PlaneEdge => {
    const other = b?.edges[at];
    return {
      ...edge,
      level: Math.max(a.levels[at] ?? 0, b?.levels[at] ?? Number.NEGATIVE_INFINITY),
      change: other ? edge.weight - other.weight : null,
      fate: b && isKept(at) ? fateOf(a.kept.has(at), b.kept.has(at)) : null,
      even: even[at]?.weight ?? 0,
      share: shares[at] ?? 0,
    };
  });
  const kept = all.filter((_, at) => isKept(at));
  const total = sumOf(all) || 1;
  const cross = rule.pair === "cross";
  const size = cross ? query.length + key.length : key.length;
  // In a bipartite graph keys are numbered after queries.
  const joints = cross ? kept.map(({ from, to }) => ({ from, to: query.length + to })) : kept;
  return {
    layers,
    map,
    all,
    eligible: all.filter((edge) => isEligible(edge, source, rule)),
    kept,
    mass: sumOf(kept) / total,
    specialMass: sumOf(all.filter((edge) => isSpecial(edge, source))) / total,
    topology: topology(joints, size),
    undefinedWeights: map.data.some(Number.isNaN) || (before?.data.some(Number.isNaN) ?? false),
  };
}

/** Of what is known: a weight that is not a number is in no share. */
const sumOf = (edges: readonly Edge[]): number =>
  edges.reduce((all, { weight }) => (Number.isNaN(weight) ? all : all + weight), 0);

/** Which head an edge owes most to: for every kept one the head with the largest weight on it (both directions). */
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
