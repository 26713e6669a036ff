// Where the words beside the rings of a chart stand: where they hide least.
import { type Axes, type Box, type Chart, MARGIN } from "./chart";

export interface RingLabel {
  readonly x: number;
  /** Baseline. */
  readonly y: number;
  readonly anchor: "start" | "end";
}

interface Area {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

type Spot = readonly [x: number, y: number];

/** From the middle of a ring to the words beside it: past its edge, clear of an upright line. */
const ASIDE = 11;
/** Baselines below and above the middle of a ring, the nearest first. */
const ROWS = [4, 22, -13, 38, -29, 54, -45, 72, -63];
const RING = 8;
const ASCENT = 10;
const DESCENT = 3;

const areaOf = ({ x, y, anchor }: RingLabel, width: number): Area => ({
  left: anchor === "end" ? x - width : x,
  right: anchor === "end" ? x : x + width,
  top: y - ASCENT,
  bottom: y + DESCENT,
});

const overlap = (a: Area, b: Area): boolean =>
  a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;

/** How many pixels across an area a line from one spot to another runs through it. */
function crossed(area: Area, [x0, y0]: Spot, [x1, y1]: Spot): number {
  const [from, to] = [Math.max(area.left, x0), Math.min(area.right, x1)];
  if (!(from <= to)) {
    return 0;
  }
  const height = (x: number): number => (x1 > x0 ? y0 + ((x - x0) / (x1 - x0)) * (y1 - y0) : y0);
  const [start, end] = [height(from), height(to)];
  const passes = Math.min(start, end) < area.bottom && Math.max(start, end) > area.top;
  return passes ? to - from + 1 : 0;
}

/** One label per ring, in order; null where the ring's line has no number. `widths` in pixels. */
export function ringLabels(
  chart: Chart,
  axes: Axes,
  box: Box,
  widths: readonly number[],
): readonly (RingLabel | null)[] {
  const drawn = [...chart.lines, ...(chart.others ?? [])].map(({ values }) =>
    values
      .map((value, index): Spot => [axes.x(index), axes.y(value)])
      .filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y)),
  );
  const rings = (chart.rings ?? []).map(({ index, line }): Spot | null => {
    const value = chart.lines.find(({ name }) => name === line)?.values[index];
    const y = value === undefined ? Number.NaN : axes.y(value);
    return Number.isFinite(y) ? [axes.x(index), y] : null;
  });
  const taken: Area[] = rings.flatMap((spot) =>
    spot === null
      ? []
      : [
          {
            left: spot[0] - RING,
            right: spot[0] + RING,
            top: spot[1] - RING,
            bottom: spot[1] + RING,
          },
        ],
  );
  const cost = (area: Area, dy: number): number => {
    const out =
      Math.max(0, MARGIN.left - area.left) +
      Math.max(0, area.right - (box.width - MARGIN.right)) +
      Math.max(0, MARGIN.top - area.top) +
      Math.max(0, area.bottom - (box.height - MARGIN.bottom));
    const hidden = drawn.reduce(
      (sum, line) =>
        sum +
        line.reduce(
          (own, spot, at) => own + (at ? crossed(area, line[at - 1] ?? spot, spot) : 0),
          0,
        ),
      0,
    );
    const bumps = taken.filter((other) => overlap(area, other)).length;
    return 10 * out + 1000 * bumps + 4 * hidden + Math.abs(dy);
  };
  return rings.map((spot, order) => {
    if (spot === null) {
      return null;
    }
    const width = widths[order] ?? 0;
    let best: { label: RingLabel; area: Area; cost: number } | null = null;
    for (const dy of ROWS) {
      for (const anchor of ["start", "end"] as const) {
        const aside = anchor === "end" ? -ASIDE : ASIDE;
        const label = { x: spot[0] + aside, y: spot[1] + dy, anchor };
        const area = areaOf(label, width);
        const now = cost(area, dy);
        if (best === null || now < best.cost) {
          best = { label, area, cost: now };
        }
      }
    }
    if (best !== null) {
      taken.push(best.area);
    }
    return best?.label ?? null;
  });
}
