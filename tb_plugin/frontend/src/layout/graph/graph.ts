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

/** The weight of every edge under uniform attention. */
export const uniformWeight = (rule: PairRule, tokens: number): number =>
  (rule === "sum" ? 2 : 1) / Math.max(1, tokens);

/**
 * The levels of all edges of a plane under a normalisation, in the order of `edges`. `tokens` are
 * those of the whole text, of which the map may be a window.
 */
export function edgeLevels(
  edges: readonly Edge[],
  map: Matrix,
  norm: Norm,
  rule: PairRule,
  tokens = map.cols,
): number[] {
  const uniform = uniformWeight(rule, tokens);
  switch (norm) {
    case "raw":
      return edges.map(({ weight }) => weight);
    case "uniform":
      return edges.map(({ weight }) => weight / uniform);
    case "log":
      return edges.map(({ weight }) => Math.log10(Math.max(1e-3, weight / uniform)));
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
  /** The level from which an edge is drawn strongest. */
  readonly strongest: number;
  /** What the classes span at least, however far the slider is moved. */
  readonly spread: number;
}

/** Fixed for each normalisation: the domain follows the slider, never the data of a step. */
export const NORM_RANGE: Readonly<Record<Norm, NormRange>> = {
  uniform: { max: 5, start: 0.9, strongest: 2.4, spread: 1 },
  raw: { max: 1, start: 0.15, strongest: 0.5, spread: 0.2 },
  row: { max: 1, start: 0.5, strongest: 1, spread: 0.05 },
  layer: { max: 1, start: 0.2, strongest: 1, spread: 0.05 },
  rank: { max: 1, start: 0.9, strongest: 1, spread: 0.02 },
  log: { max: 1.2, start: 0, strongest: 0.5, spread: 0.2 },
};

export const CLASSES = 5;

/** The level at which a class begins. */
export function classStart(level: number, least: number, norm: Norm): number {
  return least + (level / CLASSES) * classSpan(least, norm);
}

const classSpan = (least: number, norm: Norm): number =>
  Math.max(NORM_RANGE[norm].spread, NORM_RANGE[norm].strongest - least);

/** One of five classes between the cut and the norm's strongest level; no data decide the domain. */
export function edgeClass(level: number, least: number, norm: Norm): number {
  const share = (level - least) / classSpan(least, norm);
  return Math.max(0, Math.min(CLASSES - 1, Math.floor(share * CLASSES)));
}
