// Which heads are redundant or idle at the shown step: asked for while they are listed.
import { computed, signal } from "@preact/signals";
import type { DataSource, RedundancyQuery } from "../api/source";
import type { Redundancy } from "../core/redundant_heads";
import { IDLE, type Resource } from "../core/resource";
import { follow } from "./follow";
import { view, wanted } from "./store";

/** The answer before stays until the next is here. */
export const redundancy = signal<Resource<Redundancy>>(IDLE);

const question = computed<string | null>(() => {
  const { tab, heads } = view.value;
  if (tab !== "heads" || heads.side === "change" || !wanted.value) {
    return null;
  }
  const { run, entry, part } = wanted.value;
  const query: RedundancyQuery = {
    run: run.name,
    step: entry.step,
    version: entry.v,
    part: part.name,
  };
  return JSON.stringify(query);
});

export const startRedundancy = (source: DataSource): (() => void) =>
  follow(question, redundancy, (query: RedundancyQuery, signal) =>
    source.redundancy(query, signal),
  );
