// One colour per universal part of speech: similar lightness, greys for what is not a word.
import type { Theme } from "./head_colours";
import { css, oklch } from "./oklch";

const TAGS: Readonly<Record<string, readonly [hue: number, chroma: number]>> = {
  NOUN: [295, 0.12],
  PROPN: [320, 0.12],
  PRON: [345, 0.1],
  VERB: [150, 0.12],
  AUX: [130, 0.1],
  ADJ: [230, 0.12],
  ADV: [205, 0.09],
  ADP: [60, 0.12],
  DET: [85, 0.11],
  CCONJ: [30, 0.13],
  SCONJ: [15, 0.12],
  PART: [45, 0.09],
  NUM: [180, 0.1],
  INTJ: [0, 0.12],
  PUNCT: [260, 0.02],
  SYM: [260, 0.03],
  X: [260, 0.015],
  SOS: [260, 0],
  EOS: [260, 0],
};

const LIGHTNESS: Readonly<Record<string, number>> = { SOS: 0.45, EOS: 0.62, PUNCT: 0.75 };

export function tagColour(tag: string, theme: Theme): string {
  const [hue, chroma] = TAGS[tag] ?? [260, 0];
  const lightness = LIGHTNESS[tag] ?? 0.66;
  return css(oklch(theme === "dark" ? lightness + 0.06 : lightness, chroma, hue));
}

/** The same hues dark, or in the dark light, enough to read words in. */
export function tagInk(tag: string, theme: Theme): string {
  const [hue, chroma] = TAGS[tag] ?? [260, 0];
  return css(oklch(theme === "dark" ? 0.78 : 0.5, chroma, hue));
}

const NAMES: Readonly<Record<string, string>> = {
  ADJ: "adjective",
  ADP: "adposition",
  ADV: "adverb",
  AUX: "auxiliary",
  CCONJ: "coordinating conjunction",
  DET: "determiner",
  INTJ: "interjection",
  NOUN: "noun",
  NUM: "number",
  PART: "particle",
  PRON: "pronoun",
  PROPN: "proper noun",
  PUNCT: "punctuation",
  SCONJ: "subordinating conjunction",
  SYM: "symbol",
  VERB: "verb",
  X: "untagged",
  SOS: "start of the sentence",
  EOS: "end of the sentence",
};

/** As short as a tag, for legends: X is how the tagset spells "none". */
export const tagLabel = (tag: string): string => (tag === "X" ? "no tag" : tag);

export const tagName = (tag: string): string => NAMES[tag] ?? tag;
