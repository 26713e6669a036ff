import type { ReadonlySignal } from "@preact/signals";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Run } from "../../src/core/recording";
import type { Resource } from "../../src/core/resource";
import { assessment, metricCurves } from "../../src/state/assessment";
import { classes } from "../../src/state/classes";
import { offline } from "../../src/state/connection";
import { work } from "../../src/state/derived/work";
import { headOverlay } from "../../src/state/head_overlay";
import { joint, overTime } from "../../src/state/head_time";
import { elbow, lens } from "../../src/state/lens_question";
import { type Loader, startLoader } from "../../src/state/loader";
import { overlay } from "../../src/state/overlay";
import { piles, referencePiles } from "../../src/state/piles";
import { redundancy } from "../../src/state/redundancy";
import {
  loadedReference,
  otherRun,
  reference,
  referenceEntry,
  referenceProblem,
} from "../../src/state/reference";
import { allHeadsSeries, series, splitSeries } from "../../src/state/series";
import * as store from "../../src/state/store";
import { INITIAL, openLens, type ViewState, withLayer } from "../../src/state/view_state";
import { recording, Server, WORDS } from "./server_in_memory";

const PILES = { layers: withLayer(INITIAL, 0, 1, { mode: "piles" }) };

/** Every kind of question: what fails, what makes the tab ask it, and where its answer goes. */
const KINDS: [string, Partial<ViewState>, ReadonlySignal<Resource<unknown>>][] = [
  ["piles", PILES, piles],
  ["piles", PILES, referencePiles],
  ["classes", { tab: "graph" }, classes],
  ["lens", { lens: openLens({ layer: 0, head: 0 }) }, lens],
  ["elbow", { lens: openLens({ layer: 0, head: 0 }) }, elbow],
  ["overTime", { tab: "heads" }, overTime],
  ["joint", { tab: "heads", heads: { ...INITIAL.heads, panel: "joint" } }, joint],
  ["redundancy", { tab: "heads", heads: { ...INITIAL.heads, side: "pairs" } }, redundancy],
  ["curves", { tab: "signals" }, metricCurves],
  ["signals", { tab: "signals" }, assessment],
  ["series", { tab: "heads" }, series],
  ["splits", { tab: "heads", curves: "splits" }, splitSeries],
  ["series", { tab: "heads", probe: 8193 }, allHeadsSeries],
  ["series", { tab: "heads", runs: ["two"] }, headOverlay],
  ["curves", { tab: "signals", runs: ["two"] }, overlay],
  ["run two", { reference: { run: "two", step: 0 } }, otherRun],
  ["attention", { step: 40, reference: { run: "one", step: 20 } }, loadedReference],
];

let server: Server;
let loader: Loader;

const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(1);
const nextPoll = (): Promise<unknown> => vi.advanceTimersByTimeAsync(5000);

beforeEach(async () => {
  vi.useFakeTimers();
  store.view.value = INITIAL;
  store.index.value = { kind: "idle" };
  store.run.value = { kind: "idle" };
  store.shown.value = null;
  store.arrived.value = null;
  offline.value = false;
  server = new Server();
  server.runs = [recording("one", [0, 10])];
  loader = startLoader(server);
  await settle();
});

afterEach(() => {
  loader.stop();
  vi.useRealTimers();
});

describe("a fresh tab", () => {
  it("shows the newest step of the first run", () => {
    expect(store.shown.value?.run.name).toBe("one");
    expect(store.shown.value?.entry.step).toBe(10);
    expect(store.request.value.kind).toBe("ready");
  });

  it("fetches the neighbouring steps ahead, each once", () => {
    expect(server.asked.map((query) => query.step).sort((a, b) => a - b)).toEqual([0, 10]);
  });

  it("pins the first step as B", () => {
    expect(referenceEntry.value?.step).toBe(0);
    expect(reference.value?.entry.step).toBe(0);
  });
});

describe("a mean over sentences", () => {
  it("is chosen, asked for and compared like a sentence, and has no class scores", async () => {
    const index = 1 << 20;
    const source = { text: ["[CLS]", "#1"], special: [0] };
    const mean = { index, split: "val", source, target: null, mean_of: [0, 1] } as const;
    const classified = { names: ["a", "b"], method: "linear_first" } as const;
    server.runs = [{ ...recording("one", [0, 10, 20]), means: [mean], classes: classified }];
    await nextPoll();
    server.kinds = [];
    store.select({ probe: index, tab: "graph" });
    await settle();
    expect(store.shown.value?.probe).toEqual(mean);
    expect(store.axes.value?.key.map(({ text }) => text)).toEqual(["[CLS]", "#1"]);
    expect(server.asked.at(-1)?.probe).toBe(index);
    expect(reference.value?.probe).toEqual(mean);
    expect(server.kinds).not.toContain("classes");
    store.select({ probe: 0 });
    await settle();
    expect(server.kinds).toContain("classes");
  });
});

describe("a run that is being written", () => {
  it("moves A to a new step when A stood on the newest", async () => {
    server.runs = [recording("one", [0, 10, 20])];
    await nextPoll();
    expect(store.entry.value?.step).toBe(20);
    expect(store.shown.value?.entry.step).toBe(20);
    expect(store.arrived.value).toBeNull();
  });

  it("leaves A on an older step and says what arrived", async () => {
    store.select({ step: 0 });
    await settle();
    server.runs = [recording("one", [0, 10, 20])];
    await nextPoll();
    expect(store.entry.value?.step).toBe(0);
    expect(store.arrived.value?.step).toBe(20);
  });

  it("is not asked about while the tab is hidden, and at once when it is seen again", async () => {
    loader.setVisible(false);
    const before = server.indexCalls;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(server.indexCalls).toBe(before);
    loader.setVisible(true);
    await settle();
    expect(server.indexCalls).toBe(before + 1);
  });
});

describe("a server in trouble", () => {
  it("keeps the picture and says that nobody answers", async () => {
    server.broken = true;
    await nextPoll();
    expect(offline.value).toBe(true);
    expect(store.shown.value?.entry.step).toBe(10);
    server.broken = false;
    await nextPoll();
    expect(offline.value).toBe(false);
  });

  it("says why a step cannot be read, and reads it when asked again", async () => {
    server.runs = [recording("one", [0, 10, 20, 30, 40])];
    await nextPoll();
    server.broken = true;
    store.select({ step: 20 });
    await settle();
    const failed = store.request.value;
    server.broken = false;
    loader.retry();
    await settle();
    expect(failed).toEqual({ kind: "failed", message: "the disk is gone" });
    expect(store.request.value.kind).toBe("ready");
  });
});

describe.each(KINDS)("a question for %s, asked by %j,", (kind, choice, answer) => {
  const head = { part: "encoder", layer: 0, head: 0 };
  const steps = [0, 10, 20, 30, 40];
  const asked = (index: number, muted: (typeof head)[]) =>
    ({ index, split: "asked", source: WORDS, target: null, steps, muted }) as const;
  const measured = (name = "one"): Run => ({
    ...recording(name, steps),
    version: "measured",
    probes: [...recording(name, []).probes, asked(8192, []), asked(8193, [head])],
    metrics: [
      {
        name: "m",
        title: "M",
        unit: "1",
        low: 0,
        high: 1,
        reading: "",
        direction: "ascending",
        source: "",
      },
    ],
    classes: { names: ["a", "b"], method: "gradient" },
  });

  it("is asked again by “Try again” after it failed, and only then", async () => {
    server.failing.add(kind);
    server.runs = [measured(), measured("two")];
    await nextPoll();
    store.select(choice);
    await settle();
    expect(answer.value).toEqual({ kind: "failed", message: `no ${kind}` });
    server.failing.clear();
    loader.retry();
    await settle();
    expect(answer.value.kind).toBe("ready");
    const times = (): number =>
      server.asked.length + server.kinds.filter((asked) => asked === kind).length;
    const before = times();
    loader.retry();
    await settle();
    expect(times()).toBe(before);
  });

  it("is asked again when the server is back", async () => {
    server.runs = [measured(), measured("two")];
    await nextPoll();
    store.select({ ...choice, step: 0 });
    await settle();
    server.broken = true;
    store.select({ ...INITIAL, tab: "network" });
    store.select({ probe: 0, step: 10, ...choice });
    await settle();
    await nextPoll();
    server.broken = false;
    await nextPoll();
    expect(answer.value.kind).toBe("ready");
  });
});

describe("what everything else needs", () => {
  it("is asked for again when it failed: the list of runs", async () => {
    loader.stop();
    store.index.value = { kind: "idle" };
    server.failing.add("index");
    loader = startLoader(server);
    await settle();
    expect(store.index.value).toEqual({ kind: "failed", message: "no index" });
    server.failing.clear();
    loader.retry();
    await settle();
    expect(store.index.value.kind).toBe("ready");
  });

  it("is asked for again when it failed: a run", async () => {
    server.runs = [recording("one", [0, 10]), recording("two", [0, 10])];
    await nextPoll();
    server.failing.add("run two");
    store.select({ run: "two" });
    await settle();
    expect(store.run.value).toEqual({ kind: "failed", message: "no run two" });
    server.failing.clear();
    loader.retry();
    await settle();
    expect(store.shown.value?.run.name).toBe("two");
  });

  it("is asked for again when the server is back: a run", async () => {
    server.runs = [recording("one", [0, 10]), recording("two", [0, 10])];
    await nextPoll();
    server.broken = true;
    store.select({ run: "two" });
    await settle();
    await nextPoll();
    expect(store.run.value.kind).toBe("failed");
    server.broken = false;
    await nextPoll();
    expect(store.shown.value?.run.name).toBe("two");
  });
});

describe("two runs", () => {
  it("keep the picture of the first until the second is here", async () => {
    server.runs = [recording("one", [0, 10]), recording("two", [0, 10])];
    await nextPoll();
    store.select({ run: "two" });
    expect(store.shown.value?.run.name).toBe("one");
    await settle();
    expect(store.shown.value?.run.name).toBe("two");
  });

  it("are never mixed: nothing is asked of the first once the second was chosen", async () => {
    server.runs = [recording("one", [0, 10, 20, 30, 40]), recording("two", [0, 15, 30])];
    await nextPoll();
    const asked = server.asked.length;
    store.select({ run: "two", step: 15 });
    expect(work.value).toBe("Reading the run…");
    await settle();
    expect(server.asked.slice(asked).map(({ run }) => run)).not.toContain("one");
    expect(store.shown.value?.entry.step).toBe(15);
    expect(work.value).toBeNull();
  });

  it("show the one chosen last, whichever answers last", async () => {
    server.runs = [recording("one", [0, 10]), recording("two", [0, 10])];
    await nextPoll();
    server.run = async (name) => {
      await new Promise((resolve) => setTimeout(resolve, name === "two" ? 500 : 100));
      return recording(name, [0, 10]);
    };
    store.select({ run: "two" });
    store.select({ run: "one" });
    await vi.advanceTimersByTimeAsync(1000);
    expect(store.recording.value?.name).toBe("one");
    expect(work.value).toBeNull();
  });

  it("compare a step of one with a step of the other", async () => {
    server.runs = [recording("one", [0, 10]), recording("two", [0, 10])];
    await nextPoll();
    store.select({ reference: { run: "one", step: 10 }, run: "two" });
    await settle();
    expect(reference.value?.run.name).toBe("one");
    expect(store.shown.value?.run.name).toBe("two");
  });

  it("refuse to be compared on different sentences, and say so", async () => {
    const other = { text: ["[CLS]", "b"], special: [0] };
    server.runs = [recording("one", [0, 10]), recording("two", [0, 10], other)];
    await nextPoll();
    store.select({ reference: { run: "one", step: 10 }, run: "two" });
    await settle();
    expect(reference.value).toBeNull();
    expect(referenceProblem.value).toBe(
      "“one” has another sentence as this probe: “[CLS] a” there, “[CLS] b” here",
    );
  });
});

describe("a sentence that was asked later", () => {
  const head = { part: "encoder", layer: 0, head: 0 };
  const asked = (index: number, steps: number[], muted: (typeof head)[]) =>
    ({ index, split: "asked", source: WORDS, target: null, steps, muted }) as const;

  beforeEach(async () => {
    const one = recording("one", [0, 10, 20]);
    const probes = [...one.probes, asked(8192, [0, 10], []), asked(8193, [0, 10], [head])];
    server.runs = [{ ...one, version: "asked", probes }];
    await nextPoll();
  });

  it("has maps of the steps that it was asked at, and is asked for at no other", async () => {
    store.select({ probe: 8192, step: 10 });
    await settle();
    store.select({ step: 20 });
    await settle();
    expect(store.entry.value).toMatchObject({ maps: false, no_maps: "unasked" });
    expect(store.shown.value?.entry.step).toBe(10);
    const steps = server.asked.filter(({ probe }) => probe === 8192).map(({ step }) => step);
    expect(new Set(steps)).toEqual(new Set([0, 10]));
  });

  it("is compared with the first step, like any other", async () => {
    store.select({ probe: 8192, step: 10 });
    await settle();
    expect([reference.value?.probe.index, reference.value?.entry.step]).toEqual([8192, 0]);
  });

  it("is compared with the same text at the same step where heads were silent", async () => {
    store.select({ probe: 8193, step: 10, reference: { run: "one", step: 0 } });
    await settle();
    expect(referenceProblem.value).toBeNull();
    expect([reference.value?.probe.index, reference.value?.entry.step]).toEqual([8192, 10]);
    store.select({ probe: 0 });
    await settle();
    expect([reference.value?.probe.index, reference.value?.entry.step]).toEqual([0, 0]);
  });
});
