// Pieces and independent cycles of a plane's graph at every cut of the slider.
import { CURVE_POINTS } from "./topology";

export interface BettiCurve {
  readonly cuts: readonly number[];
  /** Connected components, lonely tokens included. */
  readonly parts: readonly number[];
  /** E − T + parts. */
  readonly cycles: readonly number[];
}

interface Levelled {
  readonly from: number;
  readonly to: number;
  readonly level: number;
}

/** One sweep from the highest cut down: edges only join, so every cut costs what it adds. */
export function bettiCurve(edges: readonly Levelled[], tokens: number, end: number): BettiCurve {
  const cuts = Array.from({ length: CURVE_POINTS }, (_, at) => (end * at) / (CURVE_POINTS - 1));
  const sorted = [...edges].sort((a, b) => b.level - a.level);
  const roots = Array.from({ length: tokens }, (_, token) => token);
  const rootOf = (token: number): number => {
    let at = token;
    while (roots[at] !== at) {
      roots[at] = roots[roots[at] ?? at] ?? at;
      at = roots[at] ?? at;
    }
    return at;
  };
  const joined = new Set<number>();
  let parts = tokens;
  let next = 0;
  const found = [...cuts].reverse().map((cut) => {
    for (let edge = sorted[next]; edge && edge.level >= cut; edge = sorted[next]) {
      const [a, b] = [rootOf(edge.from), rootOf(edge.to)];
      joined.add(Math.min(edge.from, edge.to) * tokens + Math.max(edge.from, edge.to));
      parts -= a === b ? 0 : 1;
      roots[a] = b;
      next += 1;
    }
    return { parts, cycles: joined.size - tokens + parts };
  });
  found.reverse();
  return {
    cuts,
    parts: found.map((at) => at.parts),
    cycles: found.map((at) => at.cycles),
  };
}
