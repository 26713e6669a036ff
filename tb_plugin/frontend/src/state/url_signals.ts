// Which metrics the Signals view draws, as one short text, and back.
import type { Pairs, Said } from "./url_codes";

/** Names of metrics; they are Python identifiers. */
function readWatched(text: string | undefined): readonly string[] | null {
  return text !== undefined && /^\w+(~\w+){0,5}$/.test(text) ? text.split("~") : null;
}

export const signalsPairs = (metrics: readonly string[] | null): Said => ({
  watch: metrics?.join("~") ?? null,
});

export const readSignals = (pairs: Pairs): readonly string[] | null => readWatched(pairs.watch);
