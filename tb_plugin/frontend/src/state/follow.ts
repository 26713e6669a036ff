// One question at a time: ask when it changes, keep the answer before until the next is here.
import { effect, type ReadonlySignal, type Signal } from "@preact/signals";
import { isAbort, Latest } from "../api/latest";
import { IDLE, type Resource } from "../core/resource";

/** Ask whenever the question, a query as JSON, changes; null asks nothing. */
export function follow<Answer, Query>(
  question: ReadonlySignal<string | null>,
  answer: Signal<Resource<Answer>>,
  ask: (query: Query, signal: AbortSignal) => Promise<Answer>,
): () => void {
  const latest = new Latest();
  const load = async (query: Query): Promise<void> => {
    const signal = latest.start();
    try {
      const value = await ask(query, signal);
      if (!signal.aborted) {
        answer.value = { kind: "ready", value };
      }
    } catch (error) {
      if (!isAbort(error) && !signal.aborted) {
        const message = error instanceof Error ? error.message : String(error);
        answer.value = { kind: "failed", message };
      }
    }
  };
  return effect(() => {
    if (question.value === null) {
      latest.cancel();
      answer.value = IDLE;
    } else {
      void load(JSON.parse(question.value) as Query);
    }
  });
}
