// Whether the server answers, and when to ask again for what failed.
import { signal } from "@preact/signals";

/** True while the server does not answer; what was read before stays on screen. */
export const offline = signal(false);

/** Counts up when whatever failed is to be asked again: the user says so, or the server is back. */
export const retries = signal(0);

export const retryFailed = (): void => {
  retries.value += 1;
};

/** The message of an error; one that no server sent means that none answered. */
export function noted(error: unknown): string {
  if (error instanceof TypeError) {
    offline.value = true; // fetch found nobody
  }
  return error instanceof Error ? error.message : String(error);
}
