// Token bars: how much attention a token receives from each head.

/** A bar as high as its box; more is drawn as a full box with a cap. */
export const BAR_DOMAIN = 0.25;

const SIDE = 2;
const GAP = 0.6;

/** Height of a share inside a box of this height: linear, 0 to 0.25. */
export const barHeight = (share: number, boxHeight: number): number =>
  Number.isNaN(share)
    ? 0
    : (Math.min(BAR_DOMAIN, Math.max(0, share)) / BAR_DOMAIN) * (boxHeight - 1);

/** The head whose bar's place a point of a box lies in, `x` px from its left; null at its sides. */
export function headAt(x: number, heads: number, width: number): number | null {
  const head = Math.floor(((x - SIDE) / (width - 2 * SIDE)) * heads);
  return head >= 0 && head < heads ? head : null;
}

/** Where a head's bars stand in a box; heads in their own order. */
export function barPlace(head: number, heads: number, width: number): { x: number; width: number } {
  const slot = (width - 2 * SIDE) / Math.max(1, heads);
  return { x: SIDE + head * slot, width: Math.max(0.5, slot - GAP) };
}
