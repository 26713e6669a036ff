// Answers that travel inside an offline page, one element each (tb_plugin/offline/page.py).
import { unpacked } from "./packed";
import type { Ask } from "./source";

/** The part of an element `<script data-question="piles?…">` that is read. */
export interface Answer {
  readonly dataset: Readonly<Record<string, string | undefined>>;
  /** Deflated, in base64. */
  readonly textContent: string | null;
}

/** A page holds one state of a run, so a step's version says nothing new. */
const VERSION = "v";

const NAMES: Readonly<Record<string, string>> = {
  attention: "The maps of this sentence at this step are",
  piles: "The piles of this step are",
  lens: "HeadLens of this head at this step, with this number of clusters, is",
  curves: "The curves of single heads are",
  over_time: "The piles of this head over time are",
  joint: "The query–key map of this head is",
};

/** What asks for some maps or metrics only; the page holds all of them, and the tab chooses itself. */
const NARROWING = ["layers", "rows", "keys", "merge", "metrics"];

/** One spelling of a question, whatever the order of its parameters and who escaped them. */
function spelled(question: string, without: readonly string[] = []): string {
  const [route = "", parameters = ""] = question.split("?");
  const sorted = new URLSearchParams(parameters);
  for (const name of [VERSION, ...without]) {
    sorted.delete(name);
  }
  sorted.sort();
  return `${route}?${sorted}`;
}

function missing(question: string): Error {
  const [route = ""] = question.split("?");
  const what = NAMES[route] ?? `The answer to “${route}” is`;
  return new Error(`${what} not in this file; the recording itself may have it.`);
}

const bytesOf = (base64: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

/** Ask the page itself. */
export function insidePage(answers: Iterable<Answer>): Ask {
  const known = new Map<string, Answer>();
  for (const answer of answers) {
    known.set(spelled(answer.dataset.question ?? ""), answer);
  }
  return async (question, signal) => {
    const answer = known.get(spelled(question)) ?? known.get(spelled(question, NARROWING));
    if (answer === undefined) {
      throw missing(question);
    }
    const bytes = await unpacked(bytesOf(answer.textContent ?? ""));
    signal.throwIfAborted();
    return bytes;
  };
}
