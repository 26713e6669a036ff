// Sankey links of one layer: which are shown, and where they run.
import type { Matrix } from "../../core/maps";
import type { Fate, LinkCut } from "../../core/selection";

export interface Link {
  readonly query: number;
  readonly key: number;
  /** What decides about being shown and how wide the link is. */
  readonly weight: number;
}

export interface LinkSelection {
  readonly links: readonly Link[];
  /** All possible links, queries times keys. */
  readonly total: number;
  /** Share of the layer's attention that the shown links carry. */
  readonly share: number;
}

/** The links a cut keeps, in reading order. Links of weight 0 are never shown. */
export function selectLinks(mean: Matrix, cut: LinkCut): LinkSelection {
  const least = cut.kind === "value" ? cut.amount : 0;
  const candidates: Link[] = [];
  mean.data.forEach((weight, cell) => {
    if (weight >= least && weight > 0) {
      candidates.push({ query: Math.floor(cell / mean.cols), key: cell % mean.cols, weight });
    }
  });
  const links = cut.kind === "value" ? candidates : strongest(candidates, cut, mean.rows);
  const sum = links.reduce((all, link) => all + link.weight, 0);
  return { links, total: mean.rows * mean.cols, share: mean.rows > 0 ? sum / mean.rows : 0 };
}

function strongest(candidates: readonly Link[], cut: LinkCut, rows: number): Link[] {
  const sorted = [...candidates].sort((a, b) => b.weight - a.weight || order(a, b));
  let kept = 0;
  let sum = 0;
  while (
    kept < sorted.length &&
    (cut.kind === "count" ? kept < cut.amount : sum < cut.amount * rows)
  ) {
    sum += sorted[kept]?.weight ?? 0;
    kept += 1;
  }
  return sorted.slice(0, kept).sort(order);
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

/** The links that pass the cut at A or at B; a link is as wide as its stronger side. */
export function compareLinks(a: Matrix, b: Matrix, cut: LinkCut): LinkComparison {
  const cell = ({ query, key }: Link): number => query * a.cols + key;
  const inA = new Set(selectLinks(a, cut).links.map(cell));
  const inB = new Set(selectLinks(b, cut).links.map(cell));
  const counts = { born: 0, lost: 0, kept: 0 };
  const links = [...new Set([...inA, ...inB])]
    .sort((one, other) => one - other)
    .map((at): ComparedLink => {
      const fate = fateOf(inA.has(at), inB.has(at));
      counts[fate] += 1;
      const weight = Math.max(a.data[at] ?? 0, b.data[at] ?? 0);
      return { query: Math.floor(at / a.cols), key: at % a.cols, weight, fate };
    });
  return { links, counts, total: a.rows * a.cols };
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
