// Token bars: how much attention a token receives from each head.

/** A bar as high as its box; more is drawn as a full box with a cap. */
export const BAR_DOMAIN = 0.25;

export interface Bar {
  readonly head: number;
  readonly share: number;
  readonly x: number;
  readonly width: number;
  readonly height: number;
  readonly clipped: boolean;
}

const SIDE = 2;
const GAP = 0.6;

/** Height of a share inside a box of this height: linear, 0 to 0.25. */
export const barHeight = (share: number, boxHeight: number): number =>
  Number.isNaN(share)
    ? 0
    : (Math.min(BAR_DOMAIN, Math.max(0, share)) / BAR_DOMAIN) * (boxHeight - 1);

/** The bars of one token, heads in their own order. `shares` holds one value per head. */
export function tokenBars(shares: readonly number[], width: number, boxHeight: number): Bar[] {
  const slot = (width - 2 * SIDE) / Math.max(1, shares.length);
  return shares.map((share, head) => ({
    head,
    share,
    x: SIDE + head * slot,
    width: Math.max(0.5, slot - GAP),
    height: barHeight(share, boxHeight),
    clipped: share > BAR_DOMAIN,
  }));
}

/** Where the shown keys lie in the whole sentence. */
export interface Within {
  readonly start: number;
  readonly total: number;
  /** Tokens that one mark joins. */
  readonly merge: number;
}

/**
 * Share each key would receive if attention were uniform: 1/T, or for causal parts the column sum
 * of the uniform causal map, mean over queries i >= j of 1/(i + 1), which falls with position.
 */
export function uniformShares(
  queries: number,
  keys: number,
  causal: boolean,
  { start, total, merge }: Within = { start: 0, total: keys, merge: 1 },
): Float64Array {
  const shares = new Float64Array(keys);
  if (!causal || queries !== keys) {
    return shares.fill(merge / Math.max(1, total));
  }
  let sum = 0;
  for (let key = keys - 1; key >= 0; key--) {
    sum += 1 / (start / merge + key + 1);
    shares[key] = sum / queries;
  }
  return shares;
}
