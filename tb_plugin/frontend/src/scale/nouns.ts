// What a probe and its tokens are called: words of a sentence, or patches of an image.
import type { Tokens } from "../core/recording";

export interface Nouns {
  /** "sentence" */
  readonly probe: string;
  readonly probes: string;
  /** "word" */
  readonly token: string;
}

const TEXT: Nouns = { probe: "sentence", probes: "sentences", token: "word" };
const IMAGE: Nouns = { probe: "image", probes: "images", token: "patch" };

/** By what its tokens are. */
export const nounsOf = (tokens: Tokens | null | undefined): Nouns => (tokens?.image ? IMAGE : TEXT);

/** "Sentence" at the beginning of a line. */
export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
