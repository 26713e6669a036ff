import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Run } from "../../src/core/recording";
import { playing, setPlaying } from "../../src/shell/actions";
import { offline } from "../../src/state/connection";
import { drawnNetwork, drawnOf } from "../../src/state/derived/drawn";
import * as store from "../../src/state/store";
import { INITIAL } from "../../src/state/view_state";

const STEPS = [0, 10, 20].map((step) => ({
  step,
  epoch: 0,
  maps: true,
  v: `s.${step}`,
  scalars: {},
}));
const SENTENCE = { text: ["a"], special: [] };
const PART = { name: "encoder", kind: "self", causal: false, layers: [], uniform: [] } as const;
const PROBE = { index: 0, split: "val", source: SENTENCE, target: null } as const;
const RUN: Run = {
  name: "run",
  session: "s",
  version: "1",
  parts: [PART],
  metrics: [],
  probes: [PROBE],
  steps: STEPS,
  options: {},
  problems: [],
};
const MAPS = { data: new Float32Array(0), layers: 0, heads: 0, queries: 1, keys: 1 };

/** The server's answer for the chosen step. */
function arrive(): void {
  const wanted = store.wanted.value;
  if (wanted) {
    store.shown.value = { ...wanted, maps: MAPS };
    store.request.value = { kind: "ready", value: null };
  }
}

const draw = (): void => {
  drawnNetwork.value = drawnOf(store.shown.value);
};

const at = (): number | null => store.view.value.step;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("requestAnimationFrame", (run: () => void) => setTimeout(run, 16));
  vi.stubGlobal("cancelAnimationFrame", clearTimeout);
  offline.value = false;
  store.index.value = { kind: "idle" };
  store.view.value = { ...INITIAL, step: 0 };
  store.run.value = { kind: "ready", value: RUN };
  arrive();
  draw();
});
afterEach(() => {
  setPlaying(false);
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it("waits for the server and for the drawing before it plays the next step", () => {
  setPlaying(true);
  vi.advanceTimersByTime(470);
  expect(at()).toBe(10);
  store.request.value = { kind: "loading", since: 0 };
  vi.advanceTimersByTime(5000);
  expect(at()).toBe(10);
  arrive();
  vi.advanceTimersByTime(5000);
  expect(at()).toBe(10);
  draw();
  vi.advanceTimersByTime(60);
  expect(at()).toBe(20);
});

it("does not move before the next frame", () => {
  setPlaying(true);
  vi.advanceTimersByTime(455);
  expect(at()).toBe(0);
  setPlaying(false);
  vi.advanceTimersByTime(5000);
  expect(at()).toBe(0);
});

it("stops at the last step", () => {
  setPlaying(true);
  for (const step of [10, 20]) {
    vi.advanceTimersByTime(470);
    expect(at()).toBe(step);
    arrive();
    draw();
  }
  vi.advanceTimersByTime(470);
  expect(playing.value).toBe(false);
});

it("goes on past a step that could not be read", () => {
  setPlaying(true);
  vi.advanceTimersByTime(470);
  store.request.value = { kind: "failed", message: "no answer" };
  vi.advanceTimersByTime(470);
  expect(at()).toBe(20);
});

it("waits for a server that is away, and goes on when it is back", () => {
  setPlaying(true);
  vi.advanceTimersByTime(470);
  store.request.value = { kind: "failed", message: "Failed to fetch" };
  offline.value = true;
  vi.advanceTimersByTime(60_000);
  expect([at(), playing.value]).toEqual([10, true]);
  offline.value = false;
  arrive();
  draw();
  vi.advanceTimersByTime(60);
  expect(at()).toBe(20);
});

it("waits for another run that was chosen meanwhile", () => {
  const summary = { version: "1", steps: 3, state: "ok", message: null } as const;
  const runs = ["run", "other"].map((name) => ({ ...summary, name }));
  store.index.value = { kind: "ready", value: { version: "1", runs, notice: null } };
  store.view.value = { ...INITIAL, run: "run", step: 0 };
  setPlaying(true);
  store.select({ run: "other" });
  vi.advanceTimersByTime(5000);
  expect(at()).toBe(0);
  store.run.value = { kind: "ready", value: { ...RUN, name: "other" } };
  arrive();
  draw();
  vi.advanceTimersByTime(60);
  expect(at()).toBe(10);
});
