// The signals view: what is asked for, and what is here.
import { computed, signal } from "@preact/signals";
import type { CurvesQuery, DataSource } from "../api/source";
import { IDLE, type Resource } from "../core/resource";
import type { Assessment, MetricCurves } from "../core/signals";
import { defaultWatched } from "../layout/signals/signal_charts";
import { follow } from "./follow";
import { part, recording, shown, view } from "./store";

export const assessment = signal<Resource<Assessment>>(IDLE);
export const metricCurves = signal<Resource<MetricCurves>>(IDLE);

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

/**
 * One text per question, so that a moved slider asks nothing new. In every view: the flag stands on
 * the slider whatever is looked at.
 */
const runQuestion = computed<string | null>(() => {
  const run = recording.value;
  const mapsFirst = view.value.tab === "signals" || shown.value !== null;
  return mapsFirst && run && run.steps.length > 0
    ? JSON.stringify({ run: run.name, version: run.version })
    : null;
});

const curvesQuestion = computed<string | null>(() => {
  const [run, shownPart] = [recording.value, part.value];
  if (
    view.value.tab !== "signals" ||
    !run ||
    run.steps.length === 0 ||
    !shownPart ||
    watched.value.length === 0
  ) {
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

const sameRun = (before: { run: string }, next: { run: string }): boolean =>
  before.run === next.run;

/** Ask whenever a question changes; what is here of this run stays until the next answer arrives. */
export function startSignals(source: DataSource): () => void {
  const stops = [
    follow(
      runQuestion,
      assessment,
      ({ run }: { run: string }, signal) => source.signals(run, signal),
      { keep: sameRun },
    ),
    follow(
      curvesQuestion,
      metricCurves,
      (query: CurvesQuery, signal) => source.curves(query, signal),
      { keep: sameRun },
    ),
  ];
  return () => {
    for (const stop of stops) {
      stop();
    }
  };
}
