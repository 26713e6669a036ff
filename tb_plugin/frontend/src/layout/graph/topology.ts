// What the graph of kept edges is like: pieces, independent cycles, maximal cliques.

export interface Pair {
  readonly from: number;
  readonly to: number;
}

export interface Topology {
  readonly edges: number;
  /** Connected components, lonely tokens included. */
  readonly parts: number;
  /** Independent cycles of the graph: E − T + parts. */
  readonly cycles: number;
  /** Maximal cliques of three tokens or more, counted up to `CLIQUE_LIMIT`. */
  readonly cliques: number;
  /** Tokens in the largest clique found. */
  readonly largest: number;
}

export const CLIQUE_LIMIT = 500;

/** Cuts at which a curve over the slider is computed. */
export const CURVE_POINTS = 61;

/** Directions are ignored: two tokens are joined if either edge is kept. */
export function topology(pairs: readonly Pair[], tokens: number): Topology {
  const near = Array.from({ length: tokens }, () => new Set<number>());
  for (const { from, to } of pairs) {
    near[from]?.add(to);
    near[to]?.add(from);
  }
  const edges = near.reduce((all, set) => all + set.size, 0) / 2;
  const parts = countParts(near);
  return { edges, parts, cycles: edges - tokens + parts, ...countCliques(near) };
}

function countParts(near: readonly ReadonlySet<number>[]): number {
  const seen = new Set<number>();
  let parts = 0;
  near.forEach((_, start) => {
    if (!seen.has(start)) {
      parts += 1;
      const open = [start];
      seen.add(start);
      for (let token = open.pop(); token !== undefined; token = open.pop()) {
        for (const next of near[token] ?? []) {
          if (!seen.has(next)) {
            seen.add(next);
            open.push(next);
          }
        }
      }
    }
  });
  return parts;
}

/** Bron and Kerbosch 1973, with the pivot of Tomita et al. 2006; stops at the limit. */
function countCliques(near: readonly ReadonlySet<number>[]): { cliques: number; largest: number } {
  let cliques = 0;
  let largest = near.length > 0 ? 1 : 0;
  const grow = (size: number, candidates: Set<number>, excluded: Set<number>): void => {
    if (cliques >= CLIQUE_LIMIT) {
      return;
    }
    if (candidates.size === 0 && excluded.size === 0) {
      cliques += size >= 3 ? 1 : 0;
      largest = Math.max(largest, size);
      return;
    }
    const pivot = mostNeighbours(near, candidates, excluded);
    for (const token of [...candidates]) {
      const neighbours = near[token] ?? new Set();
      if (!near[pivot]?.has(token)) {
        grow(size + 1, intersect(candidates, neighbours), intersect(excluded, neighbours));
        candidates.delete(token);
        excluded.add(token);
      }
    }
  };
  grow(0, new Set(near.keys()), new Set());
  return { cliques, largest };
}

function mostNeighbours(
  near: readonly ReadonlySet<number>[],
  candidates: ReadonlySet<number>,
  excluded: ReadonlySet<number>,
): number {
  let best = -1;
  let most = -1;
  for (const token of [...candidates, ...excluded]) {
    const shared = intersect(candidates, near[token] ?? new Set()).size;
    if (shared > most) {
      best = token;
      most = shared;
    }
  }
  return best;
}

const intersect = (a: ReadonlySet<number>, b: ReadonlySet<number>): Set<number> =>
  new Set([...a].filter((item) => b.has(item)));
