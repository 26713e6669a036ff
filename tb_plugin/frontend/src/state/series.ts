// Metrics of every head over all steps: of the shown sentence, and means over the splits.
import { computed, signal } from "@preact/signals";
import type { DataSource, MetricsQuery } from "../api/source";
import type { Series } from "../core/maps";
import type { Probe } from "../core/recording";
import { IDLE, type Resource } from "../core/resource";
import { follow } from "./follow";
import { allHeads } from "./reference";
import { part, probe, recording, view } from "./store";

/** Means over the validation and the training probes; null where a split has none. */
export interface SplitSeries {
  readonly val: Series | null;
  readonly train: Series | null;
}

export const series = signal<Resource<Series>>(IDLE);
/** Metrics of the shown sentence with all heads, where some were silent. */
export const allHeadsSeries = signal<Resource<Series>>(IDLE);
export const splitSeries = signal<Resource<SplitSeries>>(IDLE);

const question = computed<string | null>(() => {
  const [run, model, sentence] = [recording.value, part.value, probe.value];
  return run && model && sentence && run.metrics.length > 0
    ? JSON.stringify({
        run: run.name,
        version: run.version,
        part: model.name,
        of: sentence.index,
      })
    : null;
});

/** Asked for while a sentence with silent heads is on screen: what it is compared with. */
const allHeadsQuestion = computed<string | null>(() => {
  const [run, model, sentence] = [recording.value, part.value, allHeads.value];
  if (!run || !model || !sentence || view.value.tab !== "heads") {
    return null;
  }
  const query = { run: run.name, version: run.version, part: model.name, of: sentence.index };
  return JSON.stringify(query);
});

interface SplitsQuery {
  readonly run: string;
  readonly part: string;
  /** The splits that the run has sentences of. */
  readonly splits: readonly Probe["split"][];
}

/** Asked for while the means over all probes are on screen. */
const splitsQuestion = computed<string | null>(() => {
  const [run, model] = [recording.value, part.value];
  const needed = view.value.tab === "heads" && view.value.curves === "splits";
  if (!needed || !run || !model) {
    return null;
  }
  const splits = [...new Set(run.probes.map(({ split }) => split))];
  return JSON.stringify({ run: run.name, version: run.version, part: model.name, splits });
});

export function startSeries(source: DataSource): () => void {
  const stops = [
    follow(question, series, ({ run, part: name, of }: MetricsQuery, signal) =>
      source.metrics({ run, part: name, of }, signal),
    ),
    follow(allHeadsQuestion, allHeadsSeries, ({ run, part: name, of }: MetricsQuery, signal) =>
      source.metrics({ run, part: name, of }, signal),
    ),
    follow(splitsQuestion, splitSeries, async (query: SplitsQuery, signal) => {
      const mean = (of: "val" | "train"): Promise<Series | null> =>
        query.splits.includes(of)
          ? source.metrics({ run: query.run, part: query.part, of }, signal)
          : Promise.resolve(null);
      const [val, train] = await Promise.all([mean("val"), mean("train")]);
      return { val, train };
    }),
  ];
  return () => {
    for (const stop of stops) {
      stop();
    }
  };
}
