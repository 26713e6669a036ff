// Where a pop-up goes: beside its anchor, inside the window.

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

const AWAY = 14;
const EDGE = 8;

/**
 * Right of the anchor, or left of it where there is no room; never outside the window, and below
 * `top`, where what must stay in reach ends.
 */
export function placeBeside(
  anchor: Box,
  size: Size,
  window: Size,
  top = EDGE,
): { x: number; y: number } {
  const right = anchor.x + anchor.width + AWAY;
  const left = anchor.x - AWAY - size.width;
  const x = right + size.width <= window.width - EDGE || left < EDGE ? right : left;
  const y = anchor.y + anchor.height / 2 - size.height * 0.45;
  return {
    x: clamp(x, EDGE, window.width - EDGE - size.width),
    y: clamp(y, top, Math.max(top, window.height - EDGE - size.height)),
  };
}

const clamp = (value: number, low: number, high: number): number =>
  Math.max(low, Math.min(value, high));
