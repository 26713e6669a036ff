// The recorded steps of one head as a line with its piles above it. Nothing depends on step A.

import type { Matrix } from "../../core/maps";
import type { OverTime, StepPile } from "../../core/over_time";
import { tickX } from "../timeline";

export interface PlacedPile extends StepPile {
  /** Left edge and size of the picture. */
  readonly x: number;
  readonly size: number;
  /** The stretch of the line that belongs to the pile. */
  readonly from: number;
  readonly to: number;
}

export interface ChangeBar {
  readonly x: number;
  readonly height: number;
  readonly change: number;
}

const LARGEST = 84;
const SMALLEST = 14;
const GAP = 10;
const EDGE = 14;
export const BAR_HEIGHT = 22;

/** Pictures in order, each as near to the middle of its steps as its neighbours allow. */
export function placeStepPiles(history: OverTime, width: number): PlacedPile[] {
  const count = history.steps.length;
  const { piles } = history;
  const room = (width - 2 * EDGE) / Math.max(1, piles.length);
  const size = Math.max(SMALLEST, Math.min(LARGEST, Math.floor(room - GAP)));
  const pitch = Math.min(size + GAP, room);
  let free = EDGE;
  return piles.map((pile, at) => {
    const from = tickX(pile.first, count, width);
    const to = tickX(pile.last, count, width);
    const last = width - EDGE - size - (piles.length - 1 - at) * pitch;
    const x = Math.min(last, Math.max(free, (from + to) / 2 - size / 2));
    free = x + pitch;
    return { ...pile, x: Math.round(x), size, from, to };
  });
}

/**
 * Where no step changed by more, bars are as low as that is little. Over more than ten steps the
 * full bar is what each would take of a change from 0 to 1.
 */
const fullBar = (steps: number): number => 1 / Math.max(10, steps);

/** One bar between every two steps, as high as the head changed; the tallest fills the height. */
export function changeBars(history: OverTime, width: number): ChangeBar[] {
  const count = history.steps.length;
  const most = Math.max(fullBar(count), mostChange(history));
  return history.changes.map((change, at) => ({
    x: (tickX(at, count, width) + tickX(at + 1, count, width)) / 2,
    height: (BAR_HEIGHT * (change ?? 0)) / most,
    change: change ?? Number.NaN,
  }));
}

export const mostChange = ({ changes }: OverTime): number =>
  Math.max(0, ...changes.map((change) => change ?? 0));

/** The mean map of a pile; rows that are not numbers at one of its steps are NaN. */
export function pileMap(
  { codes, nan_rows: undefinedRows = [] }: StepPile,
  [rows, cols]: OverTime["shape"],
): Matrix {
  const bytes = atob(codes);
  const data = Float32Array.from(bytes, (letter) => (letter.charCodeAt(0) / 255) ** 2);
  for (const row of undefinedRows) {
    data.fill(Number.NaN, row * cols, (row + 1) * cols);
  }
  return { data, rows, cols };
}
