// Heads of other runs, drawn over the curves of the shown one: means over validation probes.
import { computed, signal } from "@preact/signals";
import type { DataSource } from "../api/source";
import type { Series } from "../core/maps";
import { IDLE, type Resource, readyValue } from "../core/resource";
import { runVariable } from "../scale/runs";
import { follow } from "./follow";
import { overlaidNames } from "./overlay";
import { metric, part, runs, view } from "./store";

interface HeadRun {
  readonly name: string;
  /** Null where the run has no such part. */
  readonly series: Series | null;
  /** Names of its metrics, in the order of the series. */
  readonly metrics: readonly string[];
}

export const headOverlay = signal<Resource<readonly HeadRun[]>>(IDLE);

interface HeadOverlayQuery {
  readonly runs: readonly (readonly [name: string, version: string])[];
  readonly part: string;
}

const question = computed<string | null>(() => {
  const names = overlaidNames.value;
  if (view.value.tab !== "heads" || names.length === 0 || !part.value) {
    return null;
  }
  const versions = new Map(runs.value.map(({ name, version }) => [name, version]));
  const query: HeadOverlayQuery = {
    runs: names.map((name) => [name, versions.get(name) ?? ""]),
    part: part.value.name,
  };
  return JSON.stringify(query);
});

export const startHeadOverlay = (source: DataSource): (() => void) =>
  follow(question, headOverlay, (query: HeadOverlayQuery, signal) =>
    Promise.all(
      query.runs.map(async ([run]): Promise<HeadRun> => {
        const [about, series] = await Promise.all([
          source.run(run, signal),
          source.metrics({ run, part: query.part, of: "val" }, signal).catch(() => null),
        ]);
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
