// How the heads of a part merge: at the shown step, and at B, after whose piles all are named.
import { computed, type ReadonlySignal, signal } from "@preact/signals";
import type { DataSource, PilesQuery } from "../api/source";
import type { Piles } from "../core/recording";
import { IDLE, type Resource } from "../core/resource";
import { follow } from "./follow";
import { wantedReference } from "./reference";
import { layerViews, view, type Wanted, wanted } from "./store";

/** Piles and the run they are of. */
export interface RunPiles extends Piles {
  readonly run: string;
}

/** The piles last loaded; like maps, they stay until the next ones are here. */
export const piles = signal<Resource<RunPiles>>(IDLE);
export const referencePiles = signal<Resource<RunPiles>>(IDLE);

/** Whether any layer is shown as piles, so that they must be fetched. */
export const needsPiles = computed(
  () => view.value.tab === "network" && layerViews.value.some(({ mode }) => mode === "piles"),
);

const questionAbout = (step: ReadonlySignal<Wanted | null>): ReadonlySignal<string | null> =>
  computed(() => {
    if (!needsPiles.value || !step.value) {
      return null;
    }
    const { run, entry, part } = step.value;
    const query: PilesQuery = {
      run: run.name,
      step: entry.step,
      version: entry.v,
      part: part.name,
    };
    return JSON.stringify(query);
  });

const question = questionAbout(wanted);
const referenceQuestion = questionAbout(wantedReference);

export function startPiles(source: DataSource): () => void {
  const ask = async (query: PilesQuery, signal: AbortSignal): Promise<RunPiles> => ({
    ...(await source.piles(query, signal)),
    run: query.run,
  });
  const stops = [follow(question, piles, ask), follow(referenceQuestion, referencePiles, ask)];
  return () => {
    for (const stop of stops) {
      stop();
    }
  };
}
