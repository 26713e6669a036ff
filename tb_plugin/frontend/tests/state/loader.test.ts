import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { AttentionQuery, DataSource } from "../../src/api/source";
import type { Maps } from "../../src/core/maps";
import type { Run, StepEntry } from "../../src/core/recording";
import { type Loader, startLoader } from "../../src/state/loader";
import { reference, referenceEntry, referenceProblem } from "../../src/state/reference";
import * as store from "../../src/state/store";
import { INITIAL } from "../../src/state/view_state";

const step = (at: number): StepEntry => ({
  step: at,
  epoch: at / 10,
  maps: true,
  v: `s.${at}`,
  scalars: {},
});

const WORDS = { text: ["[CLS]", "a"], special: [0] };

function recording(name: string, steps: number[], words = WORDS): Run {
  const layer = { name: "l", heads: 1, evidence: "model", error: null } as const;
  const part = {
    name: "encoder",
    kind: "self",
    causal: false,
    layers: [layer],
    uniform: [],
  } as const;
  return {
    name,
    session: "s",
    version: `${name} ${steps.length}`,
    parts: [part],
    metrics: [],
    probes: [{ index: 0, split: "val", source: words, target: null }],
    steps: steps.map(step),
    options: {},
    problems: [],
  };
}

const unasked = (): Promise<never> => Promise.reject(new Error("not asked for in these tests"));

/** A server in memory: the runs it holds can grow, and requests can be made to fail. */
class Server implements DataSource {
  runs: Run[] = [];
  asked: AttentionQuery[] = [];
  indexCalls = 0;
  broken = false;

  async index() {
    this.indexCalls += 1;
    if (this.broken) {
      throw new Error("connection refused");
    }
    const runs = this.runs.map(({ name, version, steps }) => ({
      name,
      version,
      steps: steps.length,
      state: "ok" as const,
      message: null,
    }));
    return { version: JSON.stringify(runs), runs, notice: null };
  }

  async run(name: string): Promise<Run> {
    const found = this.runs.find((run) => run.name === name);
    if (!found) {
      throw new Error(`no run ${name}`);
    }
    return found;
  }

  async attention(query: AttentionQuery): Promise<Maps> {
    this.asked.push(query);
    if (this.broken) {
      throw new Error("the disk is gone");
    }
    const data = Float32Array.from([1, 0, 0.5, 0.5]);
    return { data, layers: 1, heads: 1, queries: 2, keys: 2 };
  }

  piles = unasked;
  classes = unasked;
  lens = unasked;
  elbow = unasked;
  overTime = unasked;
  joint = unasked;
  curves = unasked;
  signals = unasked;

  metrics = unasked;
}

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
  store.offline.value = false;
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
    expect(store.offline.value).toBe(true);
    expect(store.shown.value?.entry.step).toBe(10);
    server.broken = false;
    await nextPoll();
    expect(store.offline.value).toBe(false);
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

describe("two runs", () => {
  it("keep the picture of the first until the second is here", async () => {
    server.runs = [recording("one", [0, 10]), recording("two", [0, 10])];
    await nextPoll();
    store.select({ run: "two" });
    expect(store.shown.value?.run.name).toBe("one");
    await settle();
    expect(store.shown.value?.run.name).toBe("two");
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
    expect(referenceProblem.value).toBe("“one” has another sentence as this probe");
  });
});
