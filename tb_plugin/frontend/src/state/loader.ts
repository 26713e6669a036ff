// Fetches what the state asks for: the list of runs, the chosen run, its maps, its metrics.
import { batch, effect } from "@preact/signals";
import { AttentionCache } from "../api/attention_cache";
import { isAbort, Latest } from "../api/latest";
import type { AttentionQuery, DataSource } from "../api/source";
import { isWhole } from "../core/cut";
import type { Series } from "../core/maps";
import type { Run } from "../core/recording";
import { IDLE } from "../core/resource";
import { loadedReference, otherRun, otherRunName, wantedReference } from "./reference";
import type { Wanted } from "./store";
import * as store from "./store";

/** How many recorded steps around the shown one are fetched ahead. */
const AHEAD = [1, -1, 2];
const POLL_INTERVAL = 5000;

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

export interface Loader {
  /** Ask again for everything that failed. */
  retry(): void;
  /** Poll for new runs and steps only while the tab can be seen. */
  setVisible(visible: boolean): void;
  stop(): void;
}

export function startLoader(source: DataSource): Loader {
  const cache = new AttentionCache(source);
  const requests = {
    index: new Latest(),
    run: new Latest(),
    maps: new Latest(),
    reference: new Latest(),
    otherRun: new Latest(),
    series: new Latest(),
    piles: new Latest(),
    splits: new Latest(),
  };
  let timer: ReturnType<typeof setTimeout> | undefined;
  let visible = true;

  const refreshIndex = async (): Promise<void> => {
    clearTimeout(timer);
    try {
      const value = await source.index(requests.index.start());
      store.offline.value = false;
      if (store.index.peek().kind !== "ready" || versionOf(store.index.peek()) !== value.version) {
        store.index.value = { kind: "ready", value };
      }
    } catch (error) {
      if (!isAbort(error)) {
        const known = store.index.peek().kind === "ready";
        store.offline.value = known;
        store.index.value = known
          ? store.index.peek()
          : { kind: "failed", message: messageOf(error) };
      }
    }
    if (visible) {
      timer = setTimeout(refreshIndex, POLL_INTERVAL);
    }
  };

  const loadRun = async (name: string): Promise<void> => {
    const before = store.recording.peek();
    if (!before) {
      store.run.value = { kind: "loading", since: performance.now() };
    }
    try {
      const value = await source.run(name, requests.run.start());
      receiveRun(value, before?.name === name ? before : null);
    } catch (error) {
      if (!isAbort(error)) {
        store.run.value = { kind: "failed", message: messageOf(error) };
      }
    }
  };

  const loadMaps = async (wanted: Wanted): Promise<void> => {
    const signal = requests.maps.start();
    const query = queryOf(wanted);
    const known = cache.peek(query);
    if (!known) {
      store.request.value = { kind: "loading", since: performance.now() };
    }
    try {
      const maps = known ?? (await cache.load(query, signal));
      if (signal.aborted) {
        return;
      }
      batch(() => {
        store.shown.value = { ...wanted, maps };
        store.request.value = { kind: "ready", value: null };
      });
      cache.prefetch(neighbours(wanted).map(queryOf));
    } catch (error) {
      if (!isAbort(error) && !signal.aborted) {
        store.request.value = { kind: "failed", message: messageOf(error) };
      }
    }
  };

  const loadPiles = async ({ run, part, entry }: Wanted): Promise<void> => {
    const signal = requests.piles.start();
    const query = { run: run.name, step: entry.step, version: entry.v, part: part.name };
    try {
      const value = await source.piles(query, signal);
      if (!signal.aborted) {
        store.piles.value = { of: { run, part, entry }, value };
        store.pilesProblem.value = null;
      }
    } catch (error) {
      if (!isAbort(error)) {
        store.pilesProblem.value = messageOf(error);
      }
    }
  };

  const loadOtherRun = async (name: string): Promise<void> => {
    try {
      otherRun.value = await source.run(name, requests.otherRun.start());
    } catch {
      otherRun.value = null; // B stays disabled; A itself is not concerned
    }
  };

  const loadReference = async (wanted: Wanted): Promise<void> => {
    const signal = requests.reference.start();
    try {
      const maps = await cache.load(queryOf(wanted), signal);
      if (!signal.aborted) {
        loadedReference.value = { ...wanted, maps };
      }
    } catch {
      loadedReference.value = null; // A − B stays disabled; A itself is not concerned
    }
  };

  const loadSeries = async (run: string, part: string, probe: number): Promise<void> => {
    try {
      const value = await source.metrics({ run, part, of: probe }, requests.series.start());
      store.series.value = { kind: "ready", value };
    } catch (error) {
      if (!isAbort(error)) {
        store.series.value = { kind: "failed", message: messageOf(error) };
      }
    }
  };

  const loadSplits = async (run: Run, part: string): Promise<void> => {
    const signal = requests.splits.start();
    const mean = (split: "val" | "train"): Promise<Series | null> =>
      run.probes.some((probe) => probe.split === split)
        ? source.metrics({ run: run.name, part, of: split }, signal)
        : Promise.resolve(null);
    try {
      const [val, train] = await Promise.all([mean("val"), mean("train")]);
      store.splitSeries.value = { val, train };
    } catch (error) {
      if (!isAbort(error)) {
        store.splitSeries.value = null;
      }
    }
  };

  const stops = [
    effect(() => {
      const name = store.runName.value;
      const version = store.runs.value.find((run) => run.name === name)?.version;
      store.retries.value;
      if (name !== null && version !== undefined) {
        void loadRun(name);
      }
    }),
    effect(() => {
      const wanted = store.wanted.value;
      store.retries.value;
      if (wanted) {
        void loadMaps(wanted);
      } else {
        requests.maps.cancel();
        store.request.value = IDLE;
      }
    }),
    effect(() => {
      const name = otherRunName.value;
      const version = store.runs.value.find((run) => run.name === name)?.version;
      if (name !== null && version !== undefined) {
        void loadOtherRun(name);
      }
    }),
    effect(() => {
      const wanted = wantedReference.value;
      store.retries.value;
      if (wanted) {
        void loadReference(wanted);
      }
    }),
    effect(() => {
      const [run, part, probe] = [store.recording.value, store.part.value, store.probe.value];
      if (run && part && probe && run.metrics.length > 0) {
        void loadSeries(run.name, part.name, probe.index);
      }
    }),
    effect(() => {
      const wanted = store.wanted.value;
      store.retries.value;
      if (store.needsPiles.value && wanted) {
        void loadPiles(wanted);
      }
    }),
    effect(() => {
      const [run, part] = [store.recording.value, store.part.value];
      if (store.needsSplits.value && run && part) {
        void loadSplits(run, part.name);
      }
    }),
  ];
  void refreshIndex();

  return {
    retry() {
      store.retries.value += 1;
      void refreshIndex();
    },
    setVisible(next) {
      if (next !== visible) {
        visible = next;
        clearTimeout(timer);
        if (visible) {
          void refreshIndex();
        }
      }
    },
    stop() {
      clearTimeout(timer);
      for (const stop of stops) {
        stop();
      }
    },
  };
}

const versionOf = (resource: typeof store.index.value): string | null =>
  resource.kind === "ready" ? resource.value.version : null;

/** Take over a newer state of the run; A follows the newest step only if it stood there. */
function receiveRun(value: Run, before: Run | null): void {
  batch(() => {
    const newestBefore = before?.steps.at(-1)?.step;
    const newest = value.steps.at(-1);
    const { step } = store.view.peek();
    const stoodOnNewest = step === null || step === newestBefore;
    if (before && newest && newest.step !== newestBefore) {
      if (stoodOnNewest) {
        store.select({ step: newest.step });
      } else {
        store.arrived.value = newest;
      }
    }
    store.run.value = { kind: "ready", value };
  });
}

const queryOf = ({ run, part, probe, entry, cut }: Wanted): AttentionQuery => ({
  run: run.name,
  step: entry.step,
  version: entry.v,
  part: part.name,
  probe: probe.index,
  cut: isWhole(cut, part, probe) ? null : cut,
});

/** The same question for the recorded steps next to this one. */
function neighbours(wanted: Wanted): Wanted[] {
  const { steps } = wanted.run;
  const here = steps.findIndex(({ step }) => step === wanted.entry.step);
  return AHEAD.flatMap((offset) => {
    const entry = steps[here + offset];
    return here >= 0 && entry?.maps ? [{ ...wanted, entry }] : [];
  });
}
