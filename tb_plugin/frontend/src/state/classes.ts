// The class layer of the graph: asked for while the graph of a classifier is shown.
import { computed, signal } from "@preact/signals";
import type { ClassesQuery, DataSource } from "../api/source";
import type { ClassAnswer } from "../core/class_answer";
import { IDLE, type Resource } from "../core/resource";
import { follow } from "./follow";
import { part, view, wanted } from "./store";

/** The answer last loaded, and what it is of; it stays until the next is here. */
export const classes =
  signal<Resource<{ readonly of: ClassesQuery; readonly value: ClassAnswer }>>(IDLE);

/** One text per question: a turned camera asks nothing new. */
const question = computed<string | null>(() => {
  const now = wanted.value;
  const asked = view.value.tab === "graph" && part.value?.kind === "self" && now?.run.classes;
  // A mean over sentences was never answered.
  if (!asked || part.value?.name === "decoder" || now.probe.mean_of) {
    return null;
  }
  const query: ClassesQuery = {
    run: now.run.name,
    step: now.entry.step,
    version: now.entry.v,
    probe: now.probe.index,
  };
  return JSON.stringify(query);
});

/** Ask whenever the question changes; a step that was recorded without has no answer. */
export function startClasses(source: DataSource): () => void {
  return follow(question, classes, async (of: ClassesQuery, signal) => ({
    of,
    value: await source.classes(of, signal),
  }));
}
