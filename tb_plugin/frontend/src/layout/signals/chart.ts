// One chart of numbers over recorded steps: its lines, its axes, and where everything lies.
import { scaleLinear } from "d3-scale";
import { fixed, metricValue } from "../../scale/format";
import { epochLabels, type TickLabel } from "../timeline";

/** How a line is drawn: its role, never its data, decides. */
export type LineRole = "val" | "train" | "trend" | "other";

export interface ChartLine {
  /** What stands at its end: one or two words. */
  readonly name: string;
  readonly role: LineRole;
  /** NaN where undefined or not there; the line breaks there, and where it is infinite. */
  readonly values: readonly number[];
  /** At which steps NaN was measured: at others it says that there is no value. */
  readonly nan?: readonly boolean[];
  /** The edges of a band around the line. */
  readonly low?: readonly number[];
  readonly high?: readonly number[];
}

/** A line's value at a step, as it is written. */
export const valueText = ({ values, nan }: ChartLine, index: number, digits: number): string =>
  nan?.[index] ? "NaN" : metricValue(values[index] ?? Number.NaN, digits);

/** Neighbouring steps at which a line has no height, and what it is there. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

/** Where a line is infinite or was measured as NaN. */
export function stretchesWithoutHeight(line: ChartLine): Stretch[] {
  const said = line.values.map((value, index) =>
    Number.isFinite(value) || (Number.isNaN(value) && !line.nan?.[index])
      ? ""
      : valueText(line, index, 0),
  );
  return said.flatMap((text, from) => {
    if (text === "" || said[from - 1] === text) {
      return [];
    }
    const end = said.findIndex((next, index) => index > from && next !== text);
    return [{ from, to: (end < 0 ? said.length : end) - 1, text }];
  });
}

/** A horizontal line that something is measured against. */
export interface Level {
  readonly value: number;
  readonly text: string;
}

/** A ring around a point of a line: something happened there. */
export interface Ring {
  readonly index: number;
  readonly line: string;
  readonly text: string;
  readonly tone: "warn" | "best" | "rise";
}

/** The same number of another run, along the steps of the shown one. */
export interface OtherLine {
  readonly run: string;
  readonly colour: string;
  readonly dashed: boolean;
  readonly values: readonly number[];
}

export interface Chart {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly lines: readonly ChartLine[];
  readonly others?: readonly OtherLine[];
  /** Where the first line would lie by chance. */
  readonly chance?: { readonly low: readonly number[]; readonly high: readonly number[] };
  readonly levels?: readonly Level[];
  readonly rings?: readonly Ring[];
  /** How often chance alone does at least this, per step. */
  readonly p?: readonly number[];
  /** Shade between the first two lines. */
  readonly gap?: boolean;
  /** Values the axis must reach whatever is seen. */
  readonly include?: readonly number[];
  /** What lies along the bottom instead of steps, one number per step. */
  readonly across?: readonly number[];
  /** Said in place of lines. */
  readonly empty?: string;
  /** This chart's place among those whose metric can be chosen. */
  readonly slot?: number;
}

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export const MARGIN = { left: 46, right: 86, top: 46, bottom: 26 };
const LABEL_PITCH = 27;
const TICKS = 4;

export interface Axes {
  /** x of the n-th recorded step; NaN where what lies along the bottom is undefined there. */
  readonly x: (index: number) => number;
  readonly y: (value: number) => number;
  readonly ticks: readonly { readonly y: number; readonly text: string }[];
  readonly bottom: readonly Pick<TickLabel, "x" | "text">[];
  /** How many decimals tell neighbouring values of this chart apart. */
  readonly digits: number;
}

const finite = (values: readonly number[] | undefined): readonly number[] =>
  (values ?? []).filter(Number.isFinite);

/** The values the axis spans: all lines and bands at all steps, so that nothing moves with A. */
export function chartDomain(chart: Chart): readonly [number, number] {
  const seen = [
    ...chart.lines.flatMap(({ values, low, high }) => [values, low, high].flatMap(finite)),
    ...(chart.others ?? []).flatMap(({ values }) => finite(values)),
    ...finite(chart.chance?.low),
    ...finite(chart.chance?.high),
    ...(chart.levels ?? []).map(({ value }) => value),
    ...(chart.include ?? []),
  ];
  return spanOf(seen);
}

function spanOf(seen: readonly number[]): readonly [number, number] {
  const low = seen.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY);
  const high = seen.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
  if (!(low <= high)) {
    return [0, 1];
  }
  if (low < high) {
    return [low, high];
  }
  // A share that stays 0 has no room below.
  return [low < 0 ? low - 0.5 : Math.max(0, low - 0.5), high + 0.5];
}

type Across = Pick<Axes, "x" | "bottom">;

/** Steps along the bottom, equally spaced as on the slider. */
function stepsAcross(
  steps: readonly { readonly epoch: number }[],
  left: number,
  right: number,
): Across {
  const x = (index: number): number =>
    left + (steps.length > 1 ? index / (steps.length - 1) : 0.5) * (right - left);
  const ticks = steps.map(({ epoch }, index) => ({
    index,
    x: x(index),
    startsEpoch: epoch !== steps[index - 1]?.epoch,
  }));
  return { x, bottom: epochLabels(steps, ticks) };
}

/** Another number along the bottom. */
function numbersAcross(values: readonly number[], left: number, right: number): Across {
  const scale = scaleLinear(spanOf(finite(values)), [left, right])
    .nice(TICKS)
    .unknown(Number.NaN);
  const written = scale.tickFormat(TICKS);
  return {
    x: (index) => scale(values[index] ?? Number.NaN),
    bottom: scale.ticks(TICKS).map((value) => ({ x: scale(value), text: written(value) })),
  };
}

/** Axes inside a box. */
export function chartAxes(
  chart: Chart,
  steps: readonly { readonly epoch: number }[],
  box: Box,
): Axes {
  const right = Math.max(MARGIN.left + 1, box.width - MARGIN.right);
  const scale = scaleLinear(chartDomain(chart), [box.height - MARGIN.bottom, MARGIN.top]).nice(
    TICKS,
  );
  const [bottom = 0, top = 1] = scale.domain();
  const written = scale.tickFormat(TICKS);
  return {
    ...(chart.across
      ? numbersAcross(chart.across, MARGIN.left, right)
      : stepsAcross(steps, MARGIN.left, right)),
    y: (value) => scale(value),
    ticks: scale.ticks(TICKS).map((value) => ({ y: scale(value), text: written(value) })),
    digits: Math.max(2, Math.min(5, 2 - Math.floor(Math.log10(top - bottom) + 1e-9))),
  };
}

/** The recorded step nearest to a point of a chart; -1 without any. */
export function stepAt(
  chart: Chart,
  axes: Axes,
  count: number,
  at: { readonly x: number; readonly y: number },
): number {
  let nearest = -1;
  let least = Number.POSITIVE_INFINITY;
  for (let index = 0; index < count; index++) {
    const value = chart.lines[0]?.values[index] ?? Number.NaN;
    // Along steps only x matters; a path that turns back needs both.
    const away = Math.hypot(axes.x(index) - at.x, chart.across ? axes.y(value) - at.y : 0);
    if (away < least) {
      least = away;
      nearest = index;
    }
  }
  return nearest;
}

/** y of each line's label at its end, moved apart until none overlaps; null without a value. */
export function endLabels(chart: Chart, axes: Axes, box: Box): readonly (number | null)[] {
  const wanted = chart.lines.map(({ values }) => {
    const last = values.findLast(Number.isFinite);
    return last === undefined ? null : axes.y(last);
  });
  const order = wanted
    .flatMap((y, line) => (y === null ? [] : [{ y, line }]))
    .sort((a, b) => a.y - b.y || a.line - b.line);
  const lowest = box.height - MARGIN.bottom - 12;
  const placed = new Map<number, number>();
  // Downwards, then back up: a crowd at the bottom pushes the others up instead of falling out.
  let free = MARGIN.top - 4;
  for (const item of order) {
    item.y = Math.max(free, item.y);
    free = item.y + LABEL_PITCH;
  }
  let limit = lowest;
  for (const item of order.toReversed()) {
    item.y = Math.min(limit, item.y);
    limit = item.y - LABEL_PITCH;
    placed.set(item.line, item.y);
  }
  return chart.lines.map((_, line) => placed.get(line) ?? null);
}

/** What a chart says in words, for those who do not see it. */
export function chartLabel(chart: Chart, digits: number, a: number): string {
  const lines = chart.lines.map((line) => {
    const { name, values } = line;
    const [first, last] = [values.find(Number.isFinite), values.findLast(Number.isFinite)];
    const ends = `${fixed(first ?? Number.NaN, digits)} at first, ${fixed(last ?? Number.NaN, digits)} at last`;
    return `${name} ${valueText(line, a, digits)} at A, ${ends}`;
  });
  const rings = (chart.rings ?? []).map(({ text }) => text);
  return [chart.title, ...(chart.empty ? [chart.empty] : lines), ...rings].join("; ");
}
