// One question at a time: ask when it changes or when what failed is tried again.
import { effect, type ReadonlySignal, type Signal } from "@preact/signals";
import { isAbort, Latest } from "../api/latest";
import { IDLE, type Resource } from "../core/resource";
import { noted, retries } from "./connection";

export interface Following<Query> {
  /** May the answer to one question stand until the next is here? By default any may. */
  readonly keep?: (before: Query, next: Query) => boolean;
}

/**
 * Ask whenever the question, a query as JSON, changes; null asks nothing and forgets the answer. A
 * question that is replaced is given up; the answer before it stays until the next is here; a failed
 * one is asked again when the user says so or the server is back.
 */
export function follow<Answer, Query>(
  question: ReadonlySignal<string | null>,
  answer: Signal<Resource<Answer>>,
  ask: (query: Query, signal: AbortSignal) => Promise<Answer>,
  { keep = () => true }: Following<Query> = {},
): () => void {
  const latest = new Latest();
  let asked: string | null = null;

  const load = async (query: Query): Promise<void> => {
    const signal = latest.start();
    try {
      const value = await ask(query, signal);
      if (!signal.aborted) {
        answer.value = { kind: "ready", value };
      }
    } catch (error) {
      if (!isAbort(error) && !signal.aborted) {
        answer.value = { kind: "failed", message: noted(error) };
      }
    }
  };

  const stop = effect(() => {
    retries.value;
    const text = question.value;
    const before = asked;
    const known = answer.peek();
    if (text === before && (text === null || known.kind !== "failed")) {
      return; // asked already
    }
    asked = text;
    if (text === null) {
      latest.cancel();
      answer.value = IDLE;
      return;
    }
    const query = JSON.parse(text) as Query;
    const since = performance.now();
    const stays =
      known.kind === "ready" && before !== null && keep(JSON.parse(before) as Query, query);
    answer.value = stays ? { ...known, next: since } : { kind: "loading", since };
    void load(query);
  });
  return () => {
    stop();
    latest.cancel();
  };
}
