// Which probe a fresh tab shows: the first one, or a better one where that is no good beginning.
import type { Probe, Tokens } from "./recording";

/** Rows that fit a window without scrolling. */
const FITS = 28;
/** Fewer tokens than these show little. */
const FEWEST = 4;
/** Words that the vocabulary lacks: `[UNK]`, `<unk>`, `UNK`. */
const UNKNOWN = /^[[<]?unk[\]>]?$/i;
/** More of these say little of what the model reads. */
const MOST_UNKNOWN = 0.1;

const unknownShare = ({ text }: Tokens): number =>
  text.filter((token) => UNKNOWN.test(token)).length / Math.max(1, text.length);

function isGood({ source, target, kept }: Probe): boolean {
  const sides = target ? [source, target] : [source];
  const whole = (kept?.form ?? "whole") === "whole";
  return (
    whole &&
    sides.every(({ text }) => text.length >= FEWEST && text.length <= FITS) &&
    sides.every((tokens) => unknownShare(tokens) <= MOST_UNKNOWN)
  );
}

/** The first probe; if it does not fit, or is full of unknown words, the first of its split that is better. */
export function firstProbe(probes: readonly Probe[]): Probe | null {
  const [first] = probes;
  if (!first || isGood(first)) {
    return first ?? null;
  }
  return probes.find((other) => other.split === first.split && isGood(other)) ?? first;
}
