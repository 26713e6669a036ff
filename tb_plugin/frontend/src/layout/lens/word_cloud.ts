// Frequent words as a cloud: larger the more frequent, in reading order, never packed.
import type { LensWord } from "../../core/headlens";

export interface CloudWord extends LensWord {
  readonly x: number;
  /** The baseline. */
  readonly y: number;
  readonly size: number;
}

/** Width in px of a text at a font size. */
export type Measure = (text: string, size: number) => number;

const SMALLEST = 11;
const LARGEST = 24;
const SPACE = 8;
const LEADING = 1.12;

/** From this share of a cluster on, a word is as large, and its bar as long, as can be. */
export const FULL_SHARE = 0.5;

/** The length of a word's bar, 0 to 1: linear in its share, the same scale at every step. */
export const wordShare = (count: number, total: number): number =>
  Math.min(1, count / Math.max(1, total) / FULL_SHARE);

/** Area says frequency: the font grows with the root of the share. */
const fontSize = (count: number, total: number): number =>
  SMALLEST + (LARGEST - SMALLEST) * Math.sqrt(wordShare(count, total));

/**
 * Words from the most frequent on, line by line, as many as the box holds. No randomness: the same
 * words give the same cloud, and a word that keeps its rank keeps about its place.
 */
export function placeWords(
  words: readonly LensWord[],
  total: number,
  box: { readonly width: number; readonly height: number },
  measure: Measure,
): CloudWord[] {
  const placed: CloudWord[] = [];
  let line: CloudWord[] = [];
  let x = 0;
  let top = 0;
  const finishLine = (): boolean => {
    const height = Math.max(0, ...line.map(({ size }) => size * LEADING));
    if (top + height > box.height) {
      return false;
    }
    placed.push(...line.map((word) => ({ ...word, y: top + height * 0.82 })));
    top += height;
    line = [];
    x = 0;
    return true;
  };
  for (const word of words) {
    const size = fontSize(word.count, total);
    const width = measure(word.text, size);
    if (x > 0 && x + width > box.width && !finishLine()) {
      return placed;
    }
    line.push({ ...word, x, y: 0, size });
    x += width + SPACE;
  }
  finishLine();
  return placed;
}
