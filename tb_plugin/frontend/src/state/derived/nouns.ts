// What a probe and its tokens are called: words of a sentence, patches, columns, steps in time.
import { computed } from "@preact/signals";
import type { Tokens } from "../../core/recording";
import { probe } from "../store";

export interface Nouns {
  /** "sentence" */
  readonly probe: string;
  readonly probes: string;
  /** "word" */
  readonly token: string;
}

const TEXT: Nouns = { probe: "sentence", probes: "sentences", token: "word" };
const IMAGE: Nouns = { probe: "image", probes: "images", token: "patch" };
const ROW: Nouns = { probe: "row", probes: "rows", token: "column" };
const SERIES: Nouns = { probe: "series", probes: "series", token: "time step" };
/** "t-24", "t+1", "t": places on an axis of time. */
const TIME = /^t([+\-\u2212]\d+)?$/;

/** By what its tokens are. */
function nounsOf(tokens: Tokens | null | undefined): Nouns {
  if (tokens?.image) {
    return IMAGE;
  }
  const names = tokens?.text ?? [];
  if (names.length > 0 && names.every((name) => TIME.test(name))) {
    return SERIES;
  }
  return tokens?.values ? ROW : TEXT;
}

/** What the shown probe and its tokens are called. */
export const nouns = computed(() => nounsOf(probe.value?.source));
