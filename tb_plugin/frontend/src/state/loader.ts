// Fetches what the state asks for: the list of runs, the chosen run, its maps, its metrics.
import { batch, effect } from "@preact/signals";
import { AttentionCache } from "../api/attention_cache";
import { isAbort, Latest } from "../api/latest";
import type { DataSource } from "../api/source";
import { type Run, stepsOf } from "../core/recording";
import { IDLE } from "../core/resource";
import { startSignals } from "./assessment";
import { startClasses } from "./classes";
import { noted, offline, retries, retryFailed } from "./connection";
import { startHeadOverlay } from "./head_overlay";
import { startHeadTime } from "./head_time";
import { startLens } from "./lens_question";
import { startOverlay } from "./overlay";
import { startPiles } from "./piles";
import { startRedundancy } from "./redundancy";
import { startReference } from "./reference";
import { startSeries } from "./series";
import * as store from "./store";
import { queryOf, type Wanted } from "./store";

/** How many recorded steps around the shown one are fetched ahead. */
const AHEAD = [1, -1, 2];
const POLL_INTERVAL = 5000;

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
  };
  let timer: ReturnType<typeof setTimeout> | undefined;
  let visible = true;

  const refreshIndex = async (): Promise<void> => {
    clearTimeout(timer);
    try {
      const value = await source.index(requests.index.start());
      if (offline.peek()) {
        offline.value = false;
        retryFailed(); // the server is back
      }
      if (store.index.peek().kind !== "ready" || versionOf(store.index.peek()) !== value.version) {
        store.index.value = { kind: "ready", value };
      }
    } catch (error) {
      if (!isAbort(error)) {
        const known = store.index.peek().kind === "ready";
        offline.value = known;
        store.index.value = known ? store.index.peek() : { kind: "failed", message: noted(error) };
      }
    }
    if (visible) {
      timer = setTimeout(refreshIndex, POLL_INTERVAL);
    }
  };

  const loadRun = async (name: string): Promise<void> => {
    const signal = requests.run.start();
    const before = store.run.peek();
    const since = performance.now();
    if (before.kind !== "ready") {
      store.run.value = { kind: "loading", since };
    } else if (before.value.name !== name) {
      store.run.value = { ...before, next: since };
    }
    try {
      const value = await source.run(name, signal);
      if (!signal.aborted) {
        receiveRun(
          value,
          before.kind === "ready" && before.value.name === name ? before.value : null,
        );
      }
    } catch (error) {
      if (!isAbort(error) && !signal.aborted) {
        store.run.value = { kind: "failed", message: noted(error) };
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
        store.request.value = { kind: "failed", message: noted(error) };
      }
    }
  };

  const stops = [
    effect(() => {
      const name = store.runName.value;
      const version = store.runs.value.find((run) => run.name === name)?.version;
      retries.value;
      if (name !== null && version !== undefined) {
        void loadRun(name);
      }
    }),
    effect(() => {
      const wanted = store.wanted.value;
      retries.value;
      if (wanted) {
        void loadMaps(wanted);
      } else {
        requests.maps.cancel();
        store.request.value = IDLE;
      }
    }),
    startReference(source, cache),
    startSeries(source),
    startPiles(source),
    startLens(source),
    startClasses(source),
    startHeadTime(source),
    startRedundancy(source),
    startHeadOverlay(source),
    startSignals(source),
    startOverlay(source),
  ];
  void refreshIndex();

  return {
    retry() {
      retryFailed();
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

/** The same question for the recorded steps next to this one. */
function neighbours(wanted: Wanted): Wanted[] {
  const steps = stepsOf(wanted.run, wanted.probe);
  const here = steps.findIndex(({ step }) => step === wanted.entry.step);
  return AHEAD.flatMap((offset) => {
    const entry = steps[here + offset];
    return here >= 0 && entry?.maps ? [{ ...wanted, entry }] : [];
  });
}
