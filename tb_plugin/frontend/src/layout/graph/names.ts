// Names beside a ring: none on top of another, each as near to its token as the others allow.

export interface Named {
  readonly token: number;
  /** Where the token is seen. */
  readonly x: number;
  readonly y: number;
  /** Who is named where there is no room for all: the larger first. */
  readonly rank: number;
}

export interface PlacedName {
  readonly token: number;
  readonly side: "left" | "right";
  /** Where the name begins (right side) or ends (left side), and its middle line. */
  readonly x: number;
  readonly y: number;
}

/** px from one line of names to the next. */
export const LINE_HEIGHT = 13;
const ASIDE = 9;

interface Span {
  readonly top: number;
  readonly bottom: number;
}

/**
 * Names of tokens to the left and to the right of the middle of their ring. `rim` is the outline;
 * names stay outside it and inside `span`.
 */
export function placeNames(
  tokens: readonly Named[],
  rim: readonly { readonly x: number; readonly y: number }[],
  span: Span,
): PlacedName[] {
  const xs = rim.map(({ x }) => x);
  const middle = (Math.min(...xs) + Math.max(...xs)) / 2;
  const right = tokens.filter(({ x }) => x > middle);
  const left = tokens.filter(({ x }) => x <= middle);
  return [...column(left, "left", rim, span), ...column(right, "right", rim, span)];
}

function column(
  tokens: readonly Named[],
  side: PlacedName["side"],
  rim: readonly { readonly x: number; readonly y: number }[],
  span: Span,
): PlacedName[] {
  const room = Math.max(0, Math.floor((span.bottom - span.top) / LINE_HEIGHT));
  const inside = tokens.filter(({ y }) => y >= span.top && y <= span.bottom);
  const named = [...inside]
    .sort((a, b) => b.rank - a.rank || a.token - b.token)
    .slice(0, room)
    .sort((a, b) => a.y - b.y || a.token - b.token);
  const heights = spread(
    named.map(({ y }) => y),
    LINE_HEIGHT,
    span.top + LINE_HEIGHT / 2,
    span.bottom - LINE_HEIGHT / 2,
  );
  return named.map(({ token, x }, at) => {
    const y = heights[at] ?? 0;
    const sign = side === "left" ? -1 : 1;
    const edge = Math.max(sign * x, outermost(rim, y, sign));
    return { token, side, x: sign * (edge + ASIDE), y };
  });
}

/** How far out the outline reaches at a height, times `sign`; nothing where it is not reached. */
function outermost(
  rim: readonly { readonly x: number; readonly y: number }[],
  y: number,
  sign: number,
): number {
  let most = Number.NEGATIVE_INFINITY;
  rim.forEach((from, at) => {
    const to = rim[(at + 1) % rim.length] ?? from;
    const within = (y - from.y) * (y - to.y) <= 0 && from.y !== to.y;
    if (within) {
      const x = from.x + ((to.x - from.x) * (y - from.y)) / (to.y - from.y);
      most = Math.max(most, sign * x);
    }
  });
  return most;
}

/**
 * Ascending places moved as little as possible (least squares) so that they lie `gap` apart and
 * within limits that have room for all: pools of adjacent violators (Ayer et al. 1955).
 */
export function spread(
  places: readonly number[],
  gap: number,
  low: number,
  high: number,
): number[] {
  interface Pool {
    sum: number;
    count: number;
  }
  const pools: Pool[] = [];
  const mean = ({ sum, count }: Pool): number => sum / count;
  places.forEach((place, at) => {
    let pool: Pool = { sum: place - at * gap, count: 1 };
    for (let last = pools.at(-1); last && mean(last) >= mean(pool); last = pools.at(-1)) {
      pool = { sum: pool.sum + last.sum, count: pool.count + last.count };
      pools.pop();
    }
    pools.push(pool);
  });
  const most = high - (places.length - 1) * gap;
  return pools
    .flatMap((pool) => Array.from({ length: pool.count }, () => mean(pool)))
    .map((start, at) => Math.max(low, Math.min(most, start)) + at * gap);
}
