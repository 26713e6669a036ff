// HeadLens: what is asked for, and what is here.
import { computed, effect, signal } from "@preact/signals";
import { isAbort, Latest } from "../api/latest";
import type { DataSource, LensQuery } from "../api/source";
import type { Elbow, Lens } from "../core/lens";
import { view, wanted } from "./store";

export const lens = signal<Lens | null>(null);
export const elbow = signal<Elbow | null>(null);
/** The server's sentence about why there is no lens; null while nothing is wrong. */
export const lensProblem = signal<string | null>(null);

/** One text per question: a moved cell or another table asks nothing new. */
const question = computed<string | null>(() => {
  const state = view.value.lens;
  const now = wanted.value;
  if (!state || !now) {
    return null;
  }
  const query: LensQuery = {
    run: now.run.name,
    step: now.entry.step,
    version: now.entry.v,
    part: now.part.name,
    layer: state.layer,
    head: state.head,
    clusters: state.clusters,
  };
  return JSON.stringify(query);
});

/** Ask whenever the question changes; the lens before stays until the next is here. */
export function startLens(source: DataSource): () => void {
  const requests = { lens: new Latest(), elbow: new Latest() };
  const load = async (query: LensQuery): Promise<void> => {
    const signal = requests.lens.start();
    try {
      lens.value = await source.lens(query, signal);
      lensProblem.value = null;
      elbow.value = await source.elbow(query, requests.elbow.start());
    } catch (error) {
      if (!isAbort(error) && !signal.aborted) {
        lensProblem.value = error instanceof Error ? error.message : String(error);
      }
    }
  };
  return effect(() => {
    if (question.value === null) {
      requests.lens.cancel();
      lens.value = null;
      elbow.value = null;
      lensProblem.value = null;
    } else {
      void load(JSON.parse(question.value) as LensQuery);
    }
  });
}
