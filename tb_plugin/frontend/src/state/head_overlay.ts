// Heads of other runs, drawn over the curves of the shown one: the same sentence, or the same means.
import { computed, signal } from "@preact/signals";
import type { DataSource } from "../api/source";
import type { Series } from "../core/maps";
import { axesOf, type Part, type Probe, probesOf, type Run } from "../core/recording";
import { IDLE, type Resource, readyValue } from "../core/resource";
import { runVariable } from "../scale/runs";
import { unlessAbsent } from "./connection";
import { follow } from "./follow";
import { overlaidNames } from "./overlay";
import { allHeads, otherRunName, referenceEntry } from "./reference";
import { allHeadsSeries } from "./series";
import { entry, metric, part, probe, recording, runs, view } from "./store";

interface HeadRun {
  readonly name: string;
  /** Null where the run has no such part, or another sentence in this place. */
  readonly series: Series | null;
  /** Names of its metrics, in the order of the series. */
  readonly metrics: readonly string[];
}

export const headOverlay = signal<Resource<readonly HeadRun[]>>(IDLE);

interface HeadOverlayQuery {
  readonly runs: readonly (readonly [name: string, version: string])[];
  readonly part: string;
  /** The validation probes, or one probe whose words are the same in both runs. */
  readonly of: "val" | { readonly probe: number; readonly words: string };
}

const wordsOf = (model: Part, sentence: Probe): string =>
  JSON.stringify(Object.values(axesOf(model, sentence)).map(({ text }) => text));

const question = computed<string | null>(() => {
  const names = overlaidNames.value;
  const [model, sentence] = [part.value, probe.value];
  if (view.value.tab !== "heads" || names.length === 0 || !model || !sentence) {
    return null;
  }
  const versions = new Map(runs.value.map(({ name, version }) => [name, version]));
  const query: HeadOverlayQuery = {
    runs: names.map((name) => [name, versions.get(name) ?? ""]),
    part: model.name,
    of:
      view.value.curves === "splits"
        ? "val"
        : { probe: sentence.index, words: wordsOf(model, sentence) },
  };
  return JSON.stringify(query);
});

/** What of a run is comparable: null where it has another sentence as this probe. */
function comparable(about: Run, { part: name, of }: HeadOverlayQuery): "val" | number | null {
  if (of === "val") {
    return of;
  }
  const model = about.parts.find((known) => known.name === name);
  const sentence = probesOf(about).find(({ index }) => index === of.probe);
  return model && sentence && wordsOf(model, sentence) === of.words ? of.probe : null;
}

export const startHeadOverlay = (source: DataSource): (() => void) =>
  follow(question, headOverlay, (query: HeadOverlayQuery, signal) =>
    Promise.all(
      query.runs.map(async ([run]): Promise<HeadRun> => {
        const about = await source.run(run, signal);
        const of = comparable(about, query);
        const series =
          of === null
            ? null
            : await unlessAbsent(source.metrics({ run, part: query.part, of }, signal));
        return { name: run, series, metrics: about.metrics.map(({ name }) => name) };
      }),
    ),
  );

/** The other runs that have the chosen metric, in TensorBoard's colours. */
export const otherHeads = computed(() => {
  const order = runs.value.map(({ name }) => name);
  return (readyValue(headOverlay.value) ?? []).flatMap(({ name, series, metrics }) => {
    const at = metrics.indexOf(metric.value?.name ?? "");
    const colour = runVariable(Math.max(0, order.indexOf(name)));
    return series && at >= 0 ? [{ name, colour, series, metric: at }] : [];
  });
});

/** How many runs are not drawn because the shown sentence is not theirs. */
export const strangers = computed(
  () => (readyValue(headOverlay.value) ?? []).filter(({ series }) => series === null).length,
);

/** B's own metrics where it lies in another run, or is another sentence; else null. */
export const otherReference = computed(() => {
  if (allHeads.value) {
    const series = view.value.curves === "splits" ? null : readyValue(allHeadsSeries.value);
    const step = series?.steps.indexOf(entry.value?.step ?? -1) ?? -1;
    const at = metric.value ? (recording.value?.metrics.indexOf(metric.value) ?? -1) : -1;
    return series && step >= 0 && at >= 0 ? { series, metric: at, step } : null;
  }
  const found = otherHeads.value.find(({ name }) => name === otherRunName.value);
  const at = found?.series.steps.indexOf(referenceEntry.value?.step ?? -1) ?? -1;
  return found && at >= 0 ? { series: found.series, metric: found.metric, step: at } : null;
});
