// HeadLens: what is asked for, and what is here.
import { computed, signal } from "@preact/signals";
import type { DataSource, LensQuery } from "../api/source";
import type { Elbow, Lens } from "../core/headlens";
import { IDLE, type Resource } from "../core/resource";
import { follow } from "./follow";
import { view, wanted } from "./store";

export const lens = signal<Resource<Lens>>(IDLE);
export const elbow = signal<Resource<Elbow>>(IDLE);

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
  // The elbow waits for the lens: it takes the server longer, and says less.
  let lensIsHere: Promise<unknown> = Promise.resolve();
  const stops = [
    follow(question, lens, (query: LensQuery, signal) => {
      const answer = source.lens(query, signal);
      lensIsHere = answer.catch(() => null);
      return answer;
    }),
    follow(question, elbow, async (query: LensQuery, signal) => {
      await lensIsHere;
      signal.throwIfAborted();
      return source.elbow(query, signal);
    }),
  ];
  return () => {
    for (const stop of stops) {
      stop();
    }
  };
}
