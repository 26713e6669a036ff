// Sankey links of one layer: which are shown, and where they run.
import { possibleLinks } from "../../core/even";
import { at, type Matrix } from "../../core/maps";
import type { Fate, LinkCut } from "../../core/selection";

export interface Link {
  readonly query: number;
  readonly key: number;
  /** What decides about being shown and how wide the link is. */
  readonly weight: number;
}

export interface LinkSelection {
  readonly links: readonly Link[];
  /** All possible links: every query with every key it may see. */
  readonly total: number;
  /** Share of the layer's attention that the shown links carry. */
  readonly share: number;
}

/** Few enough to follow with the eye, and never so few that a layer looks empty. */
export const MOST_LINKS = 150;
export const FEWEST_LINKS = 8;

/**
 * The links a cut keeps, in reading order; never one of weight 0. Links are strong beside even
 * attention, so that the first words of a causal text, which have few keys to look at, do not win by
 * being first.
 */
export function selectLinks(mean: Matrix, cut: LinkCut, even: Matrix): LinkSelection {
  const last = known.get(mean);
  if (last?.cut === cut && last.even === even) {
    return last.selection;
  }
  const selection = selected(mean, cut, even);
  known.set(mean, { cut, even, selection });
  return selection;
}

/** The last answer about every mean: what is drawn is also counted, and drawn again when hovered. */
const known = new WeakMap<
  Matrix,
  { readonly cut: LinkCut; readonly even: Matrix; readonly selection: LinkSelection }
>();

function selected(mean: Matrix, cut: LinkCut, even: Matrix): LinkSelection {
  const links = chosen(mean, cut, even).sort(order);
  const sum = links.reduce((all, link) => all + link.weight, 0);
  return {
    links: links.map(({ query, key, weight }) => ({ query, key, weight })),
    total: possibleLinks(even),
    share: mean.rows > 0 ? sum / mean.rows : 0,
  };
}

/** Links of at least this weight, and at least this many times even attention. */
function candidates(mean: Matrix, even: Matrix, least: number, leastTimes: number): Candidate[] {
  const found: Candidate[] = [];
  mean.data.forEach((weight, cell) => {
    if (weight > 0 && weight >= least) {
      const share = even.data[cell] ?? 0;
      const times = share > 0 ? weight / share : Number.POSITIVE_INFINITY;
      if (times >= leastTimes) {
        const query = Math.floor(cell / mean.cols);
        const beyond = share < 1 ? (weight - share) / (1 - share) : 0;
        found.push({ query, key: cell % mean.cols, weight, times, beyond });
      }
    }
  });
  return found;
}

/** Share of the queries that link to a key from which on it is a sink. */
const SINK = 0.4;

/** Keys that so many queries link to that their links say little: a first token, mostly. */
export function sinkKeys(links: readonly Link[], even: Matrix): ReadonlySet<number> {
  const found = new Map<number, number>();
  for (const { key } of links) {
    found.set(key, (found.get(key) ?? 0) + 1);
  }
  const seenBy = (key: number): number => {
    let count = 0;
    for (let query = 0; query < even.rows; query++) {
      count += at(even, query, key) > 0 ? 1 : 0;
    }
    return count;
  };
  return new Set(
    [...found].flatMap(([key, count]) =>
      count >= FEWEST_LINKS && count > SINK * seenBy(key) ? [key] : [],
    ),
  );
}

interface Candidate extends Link {
  /** The weight in units of even attention. */
  readonly times: number;
  /** How far above even attention, of what is possible: 0 even, 1 all of the query's attention. */
  readonly beyond: number;
}

function chosen(mean: Matrix, cut: LinkCut, even: Matrix): Candidate[] {
  switch (cut.kind) {
    case "value":
      return candidates(mean, even, cut.amount, 0);
    case "even": {
      const clearOnes = candidates(mean, even, 0, cut.amount);
      const words = new Set(clearOnes.map(({ query }) => query)).size;
      return clearOnes.length >= FEWEST_LINKS && words >= mean.rows / 2
        ? eachStrongest(clearOnes, MOST_LINKS)
        : eachStrongest(
            candidates(mean, even, 0, 0),
            Math.min(MOST_LINKS, Math.max(FEWEST_LINKS, mean.rows)),
          );
    }
    case "count":
      return strongest(candidates(mean, even, 0, 0)).slice(0, cut.amount);
    case "mass": {
      const sorted = strongest(candidates(mean, even, 0, 0));
      let [kept, sum] = [0, 0];
      while (kept < sorted.length && sum < cut.amount * mean.rows) {
        sum += sorted[kept]?.weight ?? 0;
        kept += 1;
      }
      return sorted.slice(0, kept);
    }
  }
}

const strongest = (candidates: readonly Candidate[]): Candidate[] =>
  [...candidates].sort((a, b) => b.beyond - a.beyond || b.weight - a.weight || order(a, b));

/**
 * Every query's strongest link first, then every query's second, up to so many. Where hardly any
 * stands out from even attention that is one per word: few of them would leave most of a text bare.
 */
function eachStrongest(clearOnes: readonly Candidate[], most: number): Candidate[] {
  const place = new Map<number, number>();
  const ranked = strongest(clearOnes).map((link) => {
    const rank = place.get(link.query) ?? 0;
    place.set(link.query, rank + 1);
    return { link, rank };
  });
  // A stable sort: among equals of rank the strongest stay in front.
  return ranked
    .sort((a, b) => a.rank - b.rank)
    .slice(0, most)
    .map(({ link }) => link);
}

const order = (a: Link, b: Link): number => a.query - b.query || a.key - b.key;

/** The fate of a link that passes the cut somewhere. */
export const fateOf = (inA: boolean, inB: boolean): Fate => (!inB ? "born" : inA ? "kept" : "lost");

export interface ComparedLink extends Link {
  readonly fate: Fate;
}

export interface LinkComparison {
  readonly links: readonly ComparedLink[];
  readonly counts: Readonly<Record<Fate, number>>;
  readonly total: number;
}

/**
 * The links that pass the cut at A or at B; a link is as wide as its stronger side. Where one side
 * is not a number nobody knows whether a link was born or lost: there is none.
 */
export function compareLinks(a: Matrix, b: Matrix, cut: LinkCut, even: Matrix): LinkComparison {
  const cell = ({ query, key }: Link): number => query * a.cols + key;
  const inA = new Set(selectLinks(a, cut, even).links.map(cell));
  const inB = new Set(selectLinks(b, cut, even).links.map(cell));
  const counts = { born: 0, lost: 0, kept: 0 };
  const known = (at: number): boolean => !Number.isNaN((a.data[at] ?? 0) + (b.data[at] ?? 0));
  const links = [...new Set([...inA, ...inB])]
    .filter(known)
    .sort((one, other) => one - other)
    .map((at): ComparedLink => {
      const fate = fateOf(inA.has(at), inB.has(at));
      counts[fate] += 1;
      const weight = Math.max(a.data[at] ?? 0, b.data[at] ?? 0);
      return { query: Math.floor(at / a.cols), key: at % a.cols, weight, fate };
    });
  return { links, counts, total: possibleLinks(even) };
}

export interface LinkPath extends Link {
  readonly y0: number;
  readonly y1: number;
  readonly width: number;
}

export interface LinkFrame {
  readonly top: number;
  readonly queryRow: number;
  readonly keyRow: number;
  /** px between two rows that stay empty. */
  readonly gap: number;
}

const FILL = 0.8;
const HAIRLINE = 0.8;
const MARGIN = 6;

/**
 * Ends of the links: key at the left, query at the right, stacked around the middle of their row.
 * Width is linear in weight and the same in every layer; where more arrives than a row is high,
 * only the positions are pressed together.
 */
export function placeLinks(links: readonly Link[], frame: LinkFrame): LinkPath[] {
  const scale = FILL * (Math.min(frame.queryRow, frame.keyRow) - frame.gap);
  const left = stack(links, "key", frame.top, frame.keyRow, frame.gap, scale);
  const right = stack(links, "query", frame.top, frame.queryRow, frame.gap, scale);
  return links.map((link, index) => ({
    ...link,
    y0: left[index] ?? 0,
    y1: right[index] ?? 0,
    width: Math.max(HAIRLINE, link.weight * scale),
  }));
}

/** The vertical middle of every link at one side, in the order of `links`. */
function stack(
  links: readonly Link[],
  side: "query" | "key",
  top: number,
  row: number,
  gap: number,
  scale: number,
): Float64Array {
  const other = side === "key" ? "query" : "key";
  const sums = new Map<number, number>();
  for (const link of links) {
    sums.set(link[side], (sums.get(link[side]) ?? 0) + link.weight);
  }
  const inOrder = links
    .map((link, index) => ({ link, index }))
    .sort((a, b) => a.link[side] - b.link[side] || a.link[other] - b.link[other]);
  const used = new Map<number, number>();
  const middles = new Float64Array(links.length);
  for (const { link, index } of inOrder) {
    const position = link[side];
    const sum = sums.get(position) ?? 0;
    const before = used.get(position) ?? 0;
    const squeeze = Math.min(1, (row - MARGIN) / (sum * scale));
    const middle = top + position * row + (row - gap) / 2;
    middles[index] = middle + (before + link.weight / 2 - sum / 2) * scale * squeeze;
    used.set(position, before + link.weight);
  }
  return middles;
}
