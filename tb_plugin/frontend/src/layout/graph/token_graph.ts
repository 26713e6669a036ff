// Attention of one layer as a weighted graph over its tokens (CS559: a complete graph per plane).
import type { Matrix } from "../../core/maps";

/** Which head a plane shows: one, or the mean or maximum over all. */
export type GraphHead = "mean" | "max" | number;
/** How the two directions of a pair make one weight; `directed` keeps them apart;
 * `cross` joins two sentences, where every pair has one direction. */
export type PairRule = "sum" | "mean" | "max" | "directed" | "cross";
/** What an edge's level is measured against. */
export type Norm = "uniform" | "raw" | "row" | "layer" | "rank" | "log";

export interface Edge {
  /** The token that asks; in undirected graphs the smaller position. */
  readonly from: number;
  readonly to: number;
  /** A[from, to]. */
  readonly forward: number;
  /** A[to, from]; 0 in a directed graph, where it is an edge of its own. */
  readonly backward: number;
  readonly weight: number;
}

/** Every pair of different tokens, in reading order. */
export function pairEdges(map: Matrix, rule: PairRule): Edge[] {
  const edges: Edge[] = [];
  for (let from = 0; from < map.rows; from++) {
    const first = rule === "directed" || rule === "cross" ? 0 : from + 1;
    for (let to = first; to < map.cols; to++) {
      if (from !== to || rule === "cross") {
        const forward = map.data[from * map.cols + to] ?? 0;
        const opposite = first === 0 ? 0 : (map.data[to * map.cols + from] ?? 0);
        const backward = rule === "directed" || rule === "cross" ? 0 : opposite;
        edges.push({ from, to, forward, backward, weight: combine(rule, forward, backward) });
      }
    }
  }
  return edges;
}

function combine(rule: PairRule, forward: number, backward: number): number {
  switch (rule) {
    case "sum":
      return forward + backward;
    case "mean":
      return (forward + backward) / 2;
    case "max":
      return Math.max(forward, backward);
    case "directed":
    case "cross":
      return forward;
  }
}

/**
 * The levels of all edges of a plane under a normalisation, in the order of `edges`. `even` is
 * even attention over the same cells; a pair that may not be seen has no level above 0.
 */
export function edgeLevels(
  edges: readonly Edge[],
  map: Matrix,
  norm: Norm,
  rule: PairRule,
  even: Matrix,
): number[] {
  const timesEven = (): number[] =>
    pairEdges(even, rule).map(({ weight }, at) => {
      const own = edges[at]?.weight ?? 0;
      return weight > 0 ? own / weight : 0;
    });
  switch (norm) {
    case "raw":
      return edges.map(({ weight }) => weight);
    case "uniform":
      return timesEven();
    case "log":
      return timesEven().map((level) => Math.log10(Math.max(1e-3, level)));
    case "layer":
      return minMax(edges.map(({ weight }) => weight));
    case "rank":
      return ranks(edges.map(({ weight }) => weight));
    case "row":
      return rowLevels(edges, map, rule);
  }
}

function minMax(weights: readonly number[]): number[] {
  const low = weights.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const high = weights.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  return weights.map((weight) => (high > low ? (weight - low) / (high - low) : 0));
}

/** Share of edges that are at most as strong. */
function ranks(weights: readonly number[]): number[] {
  const sorted = Float64Array.from(weights).sort();
  return weights.map((weight) => {
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sorted[middle] ?? 0) <= weight) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low / sorted.length;
  });
}

/** Against the strongest other token of the asking row; the stronger of both directions. */
function rowLevels(edges: readonly Edge[], map: Matrix, rule: PairRule): number[] {
  const strongest = Array.from({ length: map.rows }, (_, row) => {
    let most = 0;
    for (let key = 0; key < map.cols; key++) {
      most =
        key === row && rule !== "cross"
          ? most
          : Math.max(most, map.data[row * map.cols + key] ?? 0);
    }
    return most || 1;
  });
  return edges.map(({ from, to, forward, backward }) =>
    Math.max(
      forward / (strongest[from] ?? 1),
      backward === 0 ? 0 : backward / (strongest[to] ?? 1),
    ),
  );
}

export interface NormRange {
  /** The slider's end and where it stands at first. */
  readonly max: number;
  readonly start: number;
  /** The level from which an edge is drawn strongest, among few tokens. */
  readonly strongest: number;
  /** What the classes span at least, however far the slider is moved. */
  readonly spread: number;
}

/** Fixed for each normalisation: the domain follows the slider, never the data of a step. */
export const NORM_RANGE: Readonly<Record<Norm, NormRange>> = {
  uniform: { max: 8, start: 1.2, strongest: 3.2, spread: 1 },
  raw: { max: 1, start: 0.15, strongest: 0.5, spread: 0.2 },
  row: { max: 1, start: 0.5, strongest: 1, spread: 0.05 },
  layer: { max: 1, start: 0.2, strongest: 1, spread: 0.05 },
  rank: { max: 1, start: 0.9, strongest: 1, spread: 0.02 },
  log: { max: 1.2, start: 0.1, strongest: 0.5, spread: 0.2 },
};

export const CLASSES = 5;
/** Among how many tokens `NORM_RANGE.strongest` holds: a word among many can be many times even. */
const FEW = 15;

/** Where the five classes of strength begin, ascending. */
export type Classes = readonly number[];

/**
 * The classes of a normalisation. They begin at the cut, or where there is none at even attention,
 * so that no edge below it is drawn as a strong one. Times even grow by equal factors, up to a
 * level that grows with the number of tokens; the data of a step decide nothing.
 */
export function classStarts(norm: Norm, least: number | null, tokens: number): Classes {
  const { strongest, spread } = NORM_RANGE[norm];
  const many = Math.max(1, tokens / FEW);
  if (norm === "uniform") {
    const from = Math.max(least ?? 1, 0.25);
    const factor = Math.max(1 + spread / CLASSES, ((strongest * many) / from) ** (1 / CLASSES));
    return Array.from({ length: CLASSES }, (_, at) => from * factor ** at);
  }
  const from = least ?? (norm === "log" ? 0 : norm === "raw" ? 2 / Math.max(2, tokens) : 0);
  const top = norm === "log" ? strongest + Math.log10(many) : strongest;
  const span = Math.max(spread, top - from);
  return Array.from({ length: CLASSES }, (_, at) => from + (at / CLASSES) * span);
}

/** The class that a level falls into; the lowest also takes what lies below it. */
export function edgeClass(level: number, classes: Classes): number {
  const above = classes.filter((start) => level >= start).length;
  return Math.max(0, above - 1);
}
