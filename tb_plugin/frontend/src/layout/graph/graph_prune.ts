// Which edges of a plane are kept: each word's strongest, from a level on, or the strongest of all.
export type Prune = "auto" | "level" | "count" | "mass";

const FEWEST = 8;
const MOST = 75;

/** How many edges of a plane a person can follow: about one per token. A and B make twice as many. */
export const followable = (tokens: number): number => Math.max(FEWEST, Math.min(MOST, tokens));

/** The slider of each rule: its end, its step and where it stands at first. */
export const PRUNE_RANGE: Readonly<
  Record<Exclude<Prune, "level" | "auto">, { max: number; step: number; start: number }>
> = {
  count: { max: 200, step: 1, start: 24 },
  mass: { max: 1, step: 0.01, start: 0.5 },
};

interface Levelled {
  readonly from: number;
  readonly to: number;
  readonly weight: number;
  readonly level: number;
}

/**
 * The edges kept, in their order: those of the highest levels. `amount` is a level, a number of
 * edges, or a share of the weight of `edges`. `auto` keeps the strongest edge of every token, and
 * then the strongest of the others: no token is without an edge because of where it stands.
 */
export function pruneEdges<Kind extends Levelled>(
  edges: readonly Kind[],
  prune: Prune,
  amount: number,
): Kind[] {
  if (prune === "level") {
    return edges.filter(({ level }) => level >= amount);
  }
  const ranked = byLevel(edges);
  const total = edges.reduce((all, { weight }) => all + weight, 0);
  const kept = new Set<Kind>();
  let sum = 0;
  for (const edge of prune === "auto" ? eachFirst(ranked, amount) : ranked) {
    if (prune === "mass" ? sum >= amount * total : kept.size >= amount) {
      break;
    }
    kept.add(edge);
    sum += edge.weight;
  }
  return edges.filter((edge) => kept.has(edge) && edge.weight > 0);
}

/** Levels that differ by less are rounding. */
const ROUNDING = 1e-5;

/**
 * The highest level first. Equal levels, as even attention has them, come in an order that prefers
 * no place and is the same at every step.
 */
function byLevel<Kind extends Levelled>(edges: readonly Kind[]): Kind[] {
  const keyed = edges.map((edge) => ({
    edge,
    level: Math.round(edge.level / ROUNDING),
    tie: shuffled(edge.from, edge.to),
  }));
  keyed.sort((a, b) => b.level - a.level || a.tie - b.tie);
  return keyed.map(({ edge }) => edge);
}

/** A number that looks random and is always the same for a pair (multiplicative hashing). */
const shuffled = (from: number, to: number): number => {
  const mixed = Math.imul(Math.imul(from + 1, 0x9e3779b1) ^ (to + 1), 0x85ebca6b);
  return (mixed ^ (mixed >>> 13)) >>> 0;
};

/** The strongest edge of every token, the strongest of all first; then all others. */
function eachFirst<Kind extends Levelled>(ranked: readonly Kind[], amount: number): Kind[] {
  const seen = new Set<number>();
  const [first, rest]: [Kind[], Kind[]] = [[], []];
  for (const edge of ranked) {
    const isNew = !seen.has(edge.from) || !seen.has(edge.to);
    seen.add(edge.from).add(edge.to);
    (isNew ? first : rest).push(edge);
  }
  return [...first.slice(0, amount), ...rest, ...first.slice(amount)];
}
