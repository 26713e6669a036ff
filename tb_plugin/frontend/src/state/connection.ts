// Whether the server answers, and when to ask again for what failed.
import { signal } from "@preact/signals";
import { ServerError } from "../api/http";

/** True while the server does not answer; what was read before stays on screen. */
export const offline = signal(false);

/** Counts up when whatever failed is to be asked again: the user says so, or the server is back. */
export const retries = signal(0);

export const retryFailed = (): void => {
  retries.value += 1;
};

const NOT_FOUND = 404;

/** What the server has; null where it says that it has no such thing. Other faults stay faults. */
export function unlessAbsent<Answer>(answer: Promise<Answer>): Promise<Answer | null> {
  return answer.catch((error: unknown) => {
    if (error instanceof ServerError && error.status === NOT_FOUND) {
      return null;
    }
    throw error;
  });
}

/** The message of an error; one that no server sent means that none answered. */
export function noted(error: unknown): string {
  if (error instanceof TypeError) {
    offline.value = true; // fetch found nobody
  }
  return error instanceof Error ? error.message : String(error);
}
