// Other runs drawn over the one that is shown: what is asked for, and what is here.
import { computed, signal } from "@preact/signals";
import type { CurvesQuery, DataSource } from "../api/source";
import type { Run } from "../core/recording";
import { IDLE, type Resource } from "../core/resource";
import type { MetricCurves } from "../core/signals";
import { watched, watchedHead } from "./assessment";
import { unlessAbsent } from "./connection";
import { follow } from "./follow";
import { otherRunName } from "./reference";
import { part, runName, runs, view } from "./store";

/** A run beside the shown one; its curves are null where it has no such part, metric or head. */
export interface OverlaidRun {
  readonly run: Run;
  readonly curves: MetricCurves | null;
}

export const overlay = signal<Resource<readonly OverlaidRun[]>>(IDLE);

/** Names of the runs that are drawn as well: the ticked ones, and the one that B lies in. */
export const overlaidNames = computed<readonly string[]>(() => {
  const known = new Set(runs.value.map(({ name }) => name));
  const chosen = new Set([...view.value.runs, ...(otherRunName.value ? [otherRunName.value] : [])]);
  return [...chosen].filter((name) => known.has(name) && name !== runName.value);
});

/** Whether what is on screen can hold curves of several runs. */
export const drawsRuns = computed(
  () =>
    view.value.tab === "signals" ||
    (view.value.tab === "heads" && view.value.heads.panel === "curves"),
);

interface OverlayQuery {
  /** Name and version of each. */
  readonly runs: readonly (readonly [name: string, version: string])[];
  readonly curves: Omit<CurvesQuery, "run"> | null;
}

const question = computed<string | null>(() => {
  const names = overlaidNames.value;
  if (view.value.tab !== "signals" || names.length === 0) {
    return null;
  }
  const versions = new Map(runs.value.map(({ name, version }) => [name, version]));
  const query: OverlayQuery = {
    runs: names.map((name) => [name, versions.get(name) ?? ""]),
    curves:
      part.value && watched.value.length > 0
        ? {
            part: part.value.name,
            metrics: [...new Set(watched.value)],
            head: watchedHead.value,
          }
        : null,
  };
  return JSON.stringify(query);
});

/** Ask for all of them whenever the choice, a metric or a run changes. */
export function startOverlay(source: DataSource): () => void {
  return follow(question, overlay, (query: OverlayQuery, signal) =>
    Promise.all(
      query.runs.map(async ([name]): Promise<OverlaidRun> => {
        const [run, curves] = await Promise.all([
          source.run(name, signal),
          query.curves
            ? unlessAbsent(source.curves({ run: name, ...query.curves }, signal))
            : Promise.resolve(null),
        ]);
        return { run, curves };
      }),
    ),
  );
}
