// One small curve per head over all recorded steps, all on the same fixed axes.
import { type Series, seriesValue } from "../../core/maps";
import type { MetricSpec } from "../../core/recording";
import type { Viewport } from "../network/columns";

export interface LineGrid {
  readonly top: number;
  readonly left: number;
  readonly cellWidth: number;
  readonly cellHeight: number;
  readonly height: number;
  readonly width: number;
}

const LEFT = 46;
const RIGHT = 12;
const TOP = 26;
const BOTTOM = 10;
const CELL_MINIMUM = { width: 48, height: 46 };
const CELL_MAXIMUM = 200;
export const CELL_GAP = 5;
const INSET = { left: 5, right: 5, top: 5, bottom: 5 };

/** Cells fill the window; below a legible size the view scrolls. */
export function lineGrid(layers: number, heads: number, viewport: Viewport): LineGrid {
  const cellWidth = Math.max(
    CELL_MINIMUM.width,
    (viewport.width - LEFT - RIGHT) / Math.max(1, heads),
  );
  const room = (viewport.height - TOP - BOTTOM) / Math.max(1, layers);
  const cellHeight = Math.min(CELL_MAXIMUM, Math.max(CELL_MINIMUM.height, room));
  return {
    top: TOP,
    left: LEFT,
    cellWidth,
    cellHeight,
    width: LEFT + heads * cellWidth + RIGHT,
    height: TOP + layers * cellHeight + BOTTOM,
  };
}

export type Domain = readonly [low: number, high: number];

/** All that a metric can be, or only what it was in this run. */
export type Reach = "possible" | "seen";

/** The metric's own limits, or the extremes over all steps and heads: never those of one step. */
export function metricDomain(
  spec: MetricSpec,
  series: readonly Series[],
  metric: number,
  reach: Reach,
): Domain {
  if (reach === "possible" && spec.low !== null && spec.high !== null) {
    return [spec.low, spec.high];
  }
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const { data, metrics } of series) {
    for (let at = metric; at < data.length; at += metrics) {
      const value = data[at] ?? Number.NaN;
      if (Number.isFinite(value)) {
        low = Math.min(low, value);
        high = Math.max(high, value);
      }
    }
  }
  if (reach === "possible") {
    low = spec.low ?? low;
    high = spec.high ?? high;
  }
  if (!Number.isFinite(low) || !Number.isFinite(high)) {
    return [0, 1]; // nothing has digits
  }
  return low < high ? [low, high] : [low - 0.5, low + 0.5];
}

/** x of the n-th of `count` steps inside a cell. */
export function lineX(index: number, count: number, grid: LineGrid): number {
  const span = grid.cellWidth - CELL_GAP - INSET.left - INSET.right;
  return INSET.left + (count > 1 ? index / (count - 1) : 0.5) * span;
}

/** y of a value inside a cell, kept inside it: infinity lies at its edge. */
export function lineY(value: number, [low, high]: Domain, grid: LineGrid): number {
  const share = Math.min(1, Math.max(0, (value - low) / (high - low)));
  const span = grid.cellHeight - CELL_GAP - INSET.top - INSET.bottom;
  return INSET.top + (1 - share) * span;
}

export type Point = readonly [x: number, y: number] | null;

/** A head's curve; null where the metric is undefined, so that the line breaks there. */
export function lifeLine(
  series: Series,
  head: { readonly layer: number; readonly head: number; readonly metric: number },
  domain: Domain,
  grid: LineGrid,
): Point[] {
  return series.steps.map((_, index) => {
    const value = seriesValue(series, index, head.layer, head.head, head.metric);
    return !Number.isNaN(value)
      ? [lineX(index, series.steps.length, grid), lineY(value, domain, grid)]
      : null;
  });
}

/** Where a step lies among ascending steps: between two of them in proportion; NaN outside them. */
export function stepPlace(step: number, steps: readonly number[]): number {
  const after = steps.findIndex((known) => known >= step);
  const [high, low] = [steps[after], steps[after - 1]];
  if (high === undefined || (low === undefined && high !== step)) {
    return Number.NaN;
  }
  return high === step || low === undefined ? after : after - 1 + (step - low) / (high - low);
}

/** A head of another run over the steps of the shown one; what lies outside them is left out. */
export function otherLine(
  series: Series,
  head: { readonly layer: number; readonly head: number; readonly metric: number },
  steps: readonly number[],
  domain: Domain,
  grid: LineGrid,
): Point[] {
  return series.steps.map((step, index) => {
    const value = seriesValue(series, index, head.layer, head.head, head.metric);
    const place = stepPlace(step, steps);
    const there = head.layer < series.layers && head.head < series.heads;
    return there && !Number.isNaN(value) && Number.isFinite(place)
      ? [lineX(place, steps.length, grid), lineY(value, domain, grid)]
      : null;
  });
}

/** A domain that also holds what other runs reach. */
export const widened = ([low, high]: Domain, others: readonly Domain[]): Domain => [
  Math.min(low, ...others.map(([first]) => first)),
  Math.max(high, ...others.map(([, last]) => last)),
];
