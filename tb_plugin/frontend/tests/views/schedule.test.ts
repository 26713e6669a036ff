import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createSchedule, type Schedule } from "../../src/views/network/schedule";

const LAYERS = { start: 0, stop: 6 };
const SLICE = 16;

let clock = 0;
let scroll: () => void;
let tasks: (() => void)[] = [];

/** Tasks wait here until a test runs them. */
class QueuedChannel {
  open = true;
  readonly port1 = {
    onmessage: (): void => undefined,
    close: () => {
      this.open = false;
    },
  };
  readonly port2 = {
    postMessage: () =>
      tasks.push(() => {
        if (this.open) {
          this.port1.onmessage();
        }
      }),
  };
}

/** A picture whose layers take `cost` milliseconds each. */
function picture(cost: number, sight: number[]) {
  const drawn: number[] = [];
  const finished: number[] = [];
  const measured: number[] = [];
  const schedule: Schedule = createSchedule({
    draw: (layer) => {
      drawn.push(layer);
      clock += cost;
    },
    inSight: () => {
      measured.push(sight.length);
      return sight;
    },
    onDrawn: () => finished.push(drawn.length),
  });
  return { drawn, finished, measured, schedule, sight };
}

const runTask = (): void => tasks.shift()?.();

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  [clock, tasks] = [0, []];
  vi.spyOn(performance, "now").mockImplementation(() => clock);
  vi.stubGlobal("MessageChannel", QueuedChannel);
  vi.stubGlobal("document", {
    addEventListener: (_: string, listener: () => void) => {
      scroll = listener;
    },
    removeEventListener: () => undefined,
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe("createSchedule", () => {
  it("draws what is in sight at once where that is asked for, and the rest later", () => {
    const { drawn, finished, schedule } = picture(100, [2, 3]);
    schedule.restart(LAYERS, "at-once", LAYERS);
    expect([drawn, finished]).toEqual([[2, 3], [2]]);
    vi.runAllTimers();
    expect(drawn).toEqual([2, 3, 0, 1, 4, 5]);
    expect(finished).toEqual([2]);
  });

  it("gives the page a turn after every layer that takes as long as a slice", () => {
    const { drawn, finished, schedule } = picture(SLICE, [2, 3, 4]);
    schedule.restart(LAYERS, "slices", LAYERS);
    const seen = [0, 1, 2, 3].map(() => {
      runTask();
      return drawn.length;
    });
    expect(seen).toEqual([1, 2, 3, 3]);
    expect(finished).toEqual([3]);
  });

  it("draws cheap layers together", () => {
    const { drawn, finished, schedule } = picture(1, [2, 3, 4]);
    schedule.restart(LAYERS, "slices", LAYERS);
    expect([drawn, schedule.busy()]).toEqual([[], true]);
    runTask();
    expect([drawn, finished, schedule.busy()]).toEqual([[2, 3, 4], [3], false]);
    vi.runAllTimers();
    expect(drawn).toEqual([2, 3, 4, 0, 1, 5]);
  });

  it("forgets a step that another one overtakes", () => {
    const { drawn, finished, schedule } = picture(SLICE, [0, 1]);
    schedule.restart(LAYERS, "slices", LAYERS);
    runTask();
    schedule.restart(LAYERS, "slices", LAYERS);
    tasks.splice(0).forEach((task) => {
      task();
    });
    expect([drawn, finished]).toEqual([[0, 0], []]);
    runTask();
    runTask();
    expect([drawn, finished]).toEqual([[0, 0, 1], [3]]);
  });

  it("turns to the layers that are scrolled into sight", () => {
    const { drawn, schedule, sight } = picture(SLICE, [0, 1, 2]);
    schedule.restart(LAYERS, "slices", LAYERS);
    runTask();
    sight.splice(0, 3, 4, 5);
    scroll();
    runTask();
    runTask();
    expect(drawn).toEqual([0, 4, 5]);
  });

  it("measures the page again only after a scroll, or for other places", () => {
    const { measured, schedule } = picture(1, [0, 1]);
    schedule.restart(LAYERS, "at-once", LAYERS);
    schedule.restart(LAYERS, "at-once", LAYERS);
    expect(measured).toEqual([2]);
    scroll();
    schedule.restart(LAYERS, "at-once", LAYERS);
    expect(measured).toEqual([2, 2]);
    schedule.restart(LAYERS, "at-once", {});
    expect(measured).toEqual([2, 2, 2]);
  });

  it("draws nothing once it is stopped", () => {
    const { drawn, schedule } = picture(1, [0]);
    schedule.restart(LAYERS, "slices", LAYERS);
    schedule.stop();
    runTask();
    vi.runAllTimers();
    expect(drawn).toEqual([]);
  });
});
