// Scores of a head on training batches, on a logarithmic axis, and where their pace leads.
import { scaleLinear, scaleLog } from "d3-scale";
import type { Growth } from "../../core/signals";

export interface GrowthPicture {
  /** The readings, as a path. */
  readonly line: string;
  /** Where the forecast lies with 95 %, as a closed path; empty without one. */
  readonly band: string;
  /** The forecast itself, from the newest reading on. */
  readonly ahead: string;
  readonly limit: { readonly y: number; readonly text: string };
  readonly ticks: readonly { readonly y: number; readonly text: string }[];
  readonly bottom: readonly { readonly x: number; readonly text: string }[];
}

export const GROWTH_SIZE = { width: 272, height: 112 };
const EDGE = { left: 34, right: 8, top: 8, bottom: 18 };
const FARTHEST = 2; // a forecast is shown up to twice the steps that were read

type Point = readonly [number, number];

const path = (points: readonly Point[]): string =>
  points.map(([x, y], at) => `${at ? "L" : "M"}${x.toFixed(1)},${y.toFixed(1)}`).join("");

/** The score at a step, on the straight line from the newest reading to where it passes the limit. */
function scoreAt(step: number, now: Point, passes: number, limit: number): number {
  const share = (step - now[0]) / (passes - now[0]);
  return now[1] * (limit / now[1]) ** share;
}

export function growthPicture({ steps, score, limit, forecast }: Growth): GrowthPicture {
  const seen = steps.flatMap((step, at): Point[] => {
    const value = score[at];
    return typeof value === "number" && value > 0 ? [[step, value]] : [];
  });
  const first: Point = seen[0] ?? [0, 1];
  const now: Point = seen.at(-1) ?? [1, 1];
  const at = forecast?.at ?? null;
  const growing = at !== null && at > now[0] && now[1] < limit;
  const end = growing
    ? Math.min(Math.max(forecast?.latest ?? at, at), first[0] + FARTHEST * (now[0] - first[0]) + 1)
    : now[0];
  const values = seen.map(([, value]) => value);
  const x = scaleLinear(
    [first[0], Math.max(end, first[0] + 1)],
    [EDGE.left, GROWTH_SIZE.width - EDGE.right],
  );
  const lowest = Math.min(...values, limit / 10);
  const highest = Math.max(...values, limit);
  const y = scaleLog([lowest, highest], [GROWTH_SIZE.height - EDGE.bottom, EDGE.top]);
  const place = ([step, value]: Point): Point => [x(step), y(value)];
  const towards = (passes: number): Point => {
    const until = Math.min(passes, end);
    return [until, scoreAt(until, now, passes, limit)];
  };
  const early = towards(Math.max(forecast?.earliest ?? at ?? end, now[0] + 1));
  const late = forecast?.latest ?? null;
  const slow: Point = late === null ? [end, now[1]] : towards(late);
  const corner: Point = [Math.max(early[0], slow[0]), early[1]];
  return {
    line: path(seen.map(place)),
    ahead: growing ? path([now, towards(at)].map(place)) : "",
    band: growing ? `${path([now, early, corner, slow].map(place))}Z` : "",
    limit: { y: y(limit), text: String(limit) },
    ticks: [1, 10, 100, 1000, 1e4, 1e6]
      .filter((tick) => tick !== limit && tick >= lowest && tick <= highest)
      .map((tick) => ({ y: y(tick), text: tick >= 1e4 ? tick.toExponential(0) : String(tick) })),
    bottom: [...new Set([first[0], now[0]])].map((step) => ({ x: x(step), text: String(step) })),
  };
}
