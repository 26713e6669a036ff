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
