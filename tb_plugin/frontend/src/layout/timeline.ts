// The step slider: one tick per recorded step, equally spaced so that each is as easy to reach.
import type { StepEntry } from "../core/recording";

export interface Tick {
  readonly index: number;
  readonly x: number;
  /** The first recorded step of its epoch: a taller tick. */
  readonly startsEpoch: boolean;
  readonly maps: boolean;
}

export interface TickLabel {
  readonly x: number;
  readonly text: string;
  readonly anchor: "start" | "middle" | "end";
}

export interface Timeline {
  readonly width: number;
  readonly ticks: readonly Tick[];
  readonly labels: readonly TickLabel[];
}

const LEFT = 28;
const RIGHT = 20;
const LABEL_ROOM = 34;
const FIRST_LABEL_ROOM = 56;

/** x of the n-th of `count` ticks; a single step stands in the middle. */
export function tickX(index: number, count: number, width: number): number {
  const span = Math.max(0, width - LEFT - RIGHT);
  return count > 1 ? LEFT + (index / (count - 1)) * span : LEFT + span / 2;
}

/** The tick nearest to x. */
export function tickAt(x: number, count: number, width: number): number {
  const span = Math.max(1, width - LEFT - RIGHT);
  const index = Math.round(((x - LEFT) / span) * (count - 1));
  return Math.min(count - 1, Math.max(0, index));
}

/** The marked position nearest to `here` in a direction; null if there is none. */
export function nextMark(marks: readonly number[], here: number, direction: -1 | 1): number | null {
  const beyond = marks.filter((at) => (at - here) * direction > 0);
  return beyond.length > 0 ? (direction > 0 ? Math.min : Math.max)(...beyond) : null;
}

export function timeline(steps: readonly StepEntry[], width: number): Timeline {
  const ticks = steps.map((entry, index) => ({
    index,
    x: tickX(index, steps.length, width),
    startsEpoch: entry.epoch !== steps[index - 1]?.epoch,
    maps: entry.maps,
  }));
  return { width, ticks, labels: epochLabels(steps, ticks) };
}

/** Epoch numbers under the ticks, as many as fit in even strides. */
export function epochLabels(
  steps: readonly Pick<StepEntry, "epoch">[],
  ticks: readonly Pick<Tick, "index" | "x" | "startsEpoch">[],
): TickLabel[] {
  const starts = ticks.filter((tick) => tick.startsEpoch);
  const stride = niceStride(starts);
  const labels: TickLabel[] = [];
  let free = Number.NEGATIVE_INFINITY;
  starts.forEach((tick, position) => {
    const epoch = steps[tick.index]?.epoch ?? 0;
    const first = position === 0;
    if ((first || epoch % stride === 0) && tick.x >= free) {
      labels.push({ x: tick.x, text: first ? `epoch ${epoch}` : String(epoch), anchor: "middle" });
      free = tick.x + (first ? FIRST_LABEL_ROOM : LABEL_ROOM);
    }
  });
  return labels;
}

function niceStride(starts: readonly Pick<Tick, "x">[]): number {
  const first = starts[0];
  const last = starts.at(-1);
  if (!first || !last || starts.length < 2) {
    return 1;
  }
  const pitch = (last.x - first.x) / (starts.length - 1);
  for (const stride of [1, 2, 5, 10, 20, 25, 50, 100, 200, 500]) {
    if (pitch * stride >= LABEL_ROOM) {
      return stride;
    }
  }
  return 1000;
}
