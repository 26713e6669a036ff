// The signals view: what is asked for, and what is here.
import { computed, effect, type Signal, signal } from "@preact/signals";
import { isAbort, Latest } from "../api/latest";
import type { CurvesQuery, DataSource } from "../api/source";
import type { Assessment, MetricCurves } from "../core/signals";
import { defaultWatched } from "../layout/signals/signal_charts";
import { part, recording, retries, view } from "./store";

export const assessment = signal<Assessment | null>(null);
export const metricCurves = signal<MetricCurves | null>(null);
/** The server's sentence about why there is nothing; null while nothing is wrong. */
export const signalsProblem = signal<string | null>(null);
export const curvesProblem = signal<string | null>(null);

const showsSignals = computed(() => view.value.tab === "signals");

/** Names of the metrics drawn for context: the chosen ones that this run has, else the usual. */
export const watched = computed<readonly string[]>(() => {
  const specs = recording.value?.metrics ?? [];
  const known = (view.value.watched ?? []).filter((name) =>
    specs.some((spec) => spec.name === name),
  );
  return known.length > 0 ? known : defaultWatched(specs);
});

/** The held head, if the shown part has it. */
export const watchedHead = computed(() => {
  const { lock } = view.value;
  const heads = lock === null ? 0 : (part.value?.layers[lock.layer]?.heads ?? 0);
  return lock !== null && lock.head < heads ? { layer: lock.layer, head: lock.head } : null;
});

/** One text per question, so that a moved slider asks nothing new. */
const runQuestion = computed<string | null>(() => {
  const run = recording.value;
  return showsSignals.value && run && run.steps.length > 0
    ? JSON.stringify({ run: run.name, version: run.version })
    : null;
});

const curvesQuestion = computed<string | null>(() => {
  const [run, shownPart] = [recording.value, part.value];
  if (runQuestion.value === null || !run || !shownPart || watched.value.length === 0) {
    return null;
  }
  const query: CurvesQuery & { version: string } = {
    run: run.name,
    part: shownPart.name,
    metrics: [...new Set(watched.value)],
    head: watchedHead.value,
    version: run.version,
  };
  return JSON.stringify(query);
});

/** Ask whenever a question changes; what is here stays until the next answer arrives. */
export function startSignals(source: DataSource): () => void {
  const requests = { signals: new Latest(), curves: new Latest() };
  const attempt = async (
    problem: Signal<string | null>,
    ask: () => Promise<void>,
  ): Promise<void> => {
    try {
      await ask();
      problem.value = null;
    } catch (error) {
      if (!isAbort(error)) {
        problem.value = error instanceof Error ? error.message : String(error);
      }
    }
  };
  let shownRun: string | null = null;
  const stops = [
    effect(() => {
      retries.value;
      if (runQuestion.value === null) {
        return;
      }
      const { run } = JSON.parse(runQuestion.value) as { run: string };
      if (run !== shownRun) {
        assessment.value = null;
        metricCurves.value = null;
        shownRun = run;
      }
      void attempt(signalsProblem, async () => {
        assessment.value = await source.signals(run, requests.signals.start());
      });
    }),
    effect(() => {
      retries.value;
      if (curvesQuestion.value === null) {
        return;
      }
      const query = JSON.parse(curvesQuestion.value) as CurvesQuery;
      void attempt(curvesProblem, async () => {
        metricCurves.value = await source.curves(query, requests.curves.start());
      });
    }),
  ];
  return () => {
    for (const stop of stops) {
      stop();
    }
  };
}
