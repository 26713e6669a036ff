// The piles of B: what piles of every step are named after, so that they keep their letters.
import { computed, signal } from "@preact/signals";
import type { DataSource, PilesQuery } from "../api/source";
import type { Piles } from "../core/recording";
import { IDLE, type Resource } from "../core/resource";
import { follow } from "./follow";
import { wantedReference } from "./reference";
import { needsPiles } from "./store";

export const referencePiles = signal<Resource<Piles>>(IDLE);

const question = computed<string | null>(() => {
  const wanted = wantedReference.value;
  if (!needsPiles.value || !wanted) {
    return null;
  }
  const { run, entry, part } = wanted;
  const query: PilesQuery = {
    run: run.name,
    step: entry.step,
    version: entry.v,
    part: part.name,
  };
  return JSON.stringify(query);
});

export const startReferencePiles = (source: DataSource): (() => void) =>
  follow(question, referencePiles, (query: PilesQuery, signal) => source.piles(query, signal));
