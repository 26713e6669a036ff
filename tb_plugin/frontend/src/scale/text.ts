// Tokens as a reader sees them. Everything here returns plain text, never markup.
import { labelOf, type Tokens } from "../core/recording";

const LONGEST = 200;
/** Control characters and bidirectional overrides: they would redraw the text around them. */
const STEERING = /[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

const known = new Map<string, string>();
const MOST_KNOWN = 10_000;

/** A token for the screen: word-start marks removed, invisible characters made visible. */
export function tokenText(token: string): string {
  let text = known.get(token);
  if (text === undefined) {
    text = visibleText(token);
    if (known.size >= MOST_KNOWN) {
      known.clear();
    }
    known.set(token, text);
  }
  return text;
}

function visibleText(token: string): string {
  const short = token.length > LONGEST ? `${token.slice(0, LONGEST)}…` : token;
  const bare = short.length > 1 ? short.replace(/^[▁Ġ]/u, "") : short;
  const visible = bare.replace(/Ċ|\n/gu, "↵").replace(/\t/gu, "⇥").replace(STEERING, "\ufffd");
  return visible.trim() === "" || visible === "Ġ" || visible === "▁" ? "␣" : visible;
}

/** What a number stands for that is taken over all heads of a layer, or of a part. */
export const meanOf = (heads: number): string =>
  heads === 1 ? "the only head" : `mean of ${heads} heads`;

/** Cut to the width with an ellipsis; `measure` gives the width of a text in px. */
export function fitText(text: string, width: number, measure: (text: string) => number): string {
  if (measure(text) <= width) {
    return text;
  }
  const letters = [...text];
  let low = 1;
  let high = letters.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (measure(`${letters.slice(0, middle).join("")}…`) <= width) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return `${letters.slice(0, low).join("")}…`;
}

/** A sentence from its tokens: special tokens left out, word pieces joined. */
export function sentenceText(tokens: Tokens): string {
  const special = new Set(tokens.special);
  const all = tokens.text.map((_, position) => labelOf(tokens, position));
  const words = all.filter((_, position) => !special.has(position));
  const marked = words.some((word) => /^[▁Ġ]/u.test(word));
  const text = marked
    ? words.join("").replace(/[▁Ġ]/gu, " ")
    : words.reduce((line, word) => (isPiece(word) ? line + word.slice(2) : `${line} ${word}`), "");
  const short = text.length > 4 * LONGEST ? `${text.slice(0, 4 * LONGEST)}…` : text;
  return short.replace(STEERING, " ").trim();
}

const isPiece = (word: string): boolean => word.startsWith("##") && word.length > 2;
