// The class layer of the graph: asked for while the graph of a classifier is shown.
import { computed, effect, signal } from "@preact/signals";
import { isAbort, Latest } from "../api/latest";
import type { ClassesQuery, DataSource } from "../api/source";
import type { ClassAnswer } from "../core/classes";
import { part, view, wanted } from "./store";

/** The answer last loaded, and what it is of; it stays until the next is here. */
export const classes = signal<{ readonly of: ClassesQuery; readonly value: ClassAnswer } | null>(
  null,
);

/** One text per question: a turned camera asks nothing new. */
const question = computed<string | null>(() => {
  const now = wanted.value;
  const asked = view.value.tab === "graph" && part.value?.kind === "self" && now?.run.classes;
  if (!asked || part.value?.name === "decoder") {
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

export function startClasses(source: DataSource): () => void {
  const request = new Latest();
  const load = async (of: ClassesQuery): Promise<void> => {
    const signal = request.start();
    try {
      classes.value = { of, value: await source.classes(of, signal) };
    } catch (error) {
      if (!isAbort(error) && !signal.aborted) {
        classes.value = null; // the step was recorded without; the planes are not concerned
      }
    }
  };
  return effect(() => {
    if (question.value === null) {
      request.cancel();
      classes.value = null;
    } else {
      void load(JSON.parse(question.value) as ClassesQuery);
    }
  });
}
