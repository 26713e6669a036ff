// Which edges of a plane are kept: from a level on, the strongest few, or the strongest by mass.
export type Prune = "level" | "count" | "mass";

/** The slider of each rule: its end, its step and where it stands at first. */
export const PRUNE_RANGE: Readonly<
  Record<Exclude<Prune, "level">, { max: number; step: number; start: number }>
> = {
  count: { max: 200, step: 1, start: 24 },
  mass: { max: 1, step: 0.01, start: 0.5 },
};

interface Levelled {
  readonly weight: number;
  readonly level: number;
}

/**
 * The edges kept, in their order. `amount` is a level, a number of edges, or a share of the weight
 * of `edges`; among equal weights the earlier pair goes first, so that the choice never flickers.
 */
export function pruneEdges<Kind extends Levelled>(
  edges: readonly Kind[],
  prune: Prune,
  amount: number,
): Kind[] {
  if (prune === "level") {
    return edges.filter(({ level }) => level >= amount);
  }
  const order = edges
    .map((_, at) => at)
    .sort((a, b) => weightAt(edges, b) - weightAt(edges, a) || a - b);
  const total = edges.reduce((all, { weight }) => all + weight, 0);
  const kept = new Set<number>();
  let sum = 0;
  for (const at of order) {
    if (prune === "count" ? kept.size >= amount : sum >= amount * total) {
      break;
    }
    kept.add(at);
    sum += weightAt(edges, at);
  }
  return edges.filter((edge, at) => kept.has(at) && edge.weight > 0);
}

const weightAt = (edges: readonly Levelled[], at: number): number => edges[at]?.weight ?? 0;
