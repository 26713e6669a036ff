// What the tab waits for, in words: one sign for all of it.
import { computed, type ReadonlySignal } from "@preact/signals";
import { isPending, type Resource } from "../../core/resource";
import { stepLabel } from "../../scale/format";
import { assessment, metricCurves } from "../assessment";
import { headOverlay } from "../head_overlay";
import { joint, overTime } from "../head_time";
import { elbow, lens } from "../lens_question";
import { overlay } from "../overlay";
import { piles } from "../piles";
import { redundancy } from "../redundancy";
import { loadedReference } from "../reference";
import { series } from "../series";
import { entry, index, request, run } from "../store";

interface Work {
  readonly resource: ReadonlySignal<Resource<unknown>>;
  readonly text: () => string;
}

const named = (resource: ReadonlySignal<Resource<unknown>>, text: string): Work => ({
  resource,
  text: () => text,
});

const WORK: readonly Work[] = [
  named(index, "Reading the list of runs"),
  named(run, "Reading the run"),
  {
    resource: request,
    text: () => `Loading ${entry.value ? stepLabel(entry.value) : "attention"}`,
  },
  named(loadedReference, "Loading B"),
  named(series, "Reading the metrics of all heads"),
  named(assessment, "Judging the run"),
  named(metricCurves, "Reading curves"),
  named(headOverlay, "Reading the other runs"),
  named(overlay, "Reading the other runs"),
  named(elbow, "Trying numbers of clusters"),
];

/** These say so where their picture will be; the next ones replace pictures that stay meanwhile. */
const IN_PLACE: readonly Work[] = [
  named(lens, "Clustering queries and keys"),
  named(piles, "Comparing heads"),
  named(redundancy, "Comparing all heads"),
  named(overTime, "Comparing the steps of this head"),
  named(joint, "Placing queries and keys"),
];

/** What is on its way, of what keeps a person waiting most; "" where its place says so itself. */
export const work = computed<string | null>(() => {
  const first = WORK.find(({ resource }) => isPending(resource.value));
  if (first) {
    return `${first.text()}…`;
  }
  const other = IN_PLACE.find(({ resource }) => isPending(resource.value));
  return other ? (other.resource.value.kind === "ready" ? `${other.text()}…` : "") : null;
});
