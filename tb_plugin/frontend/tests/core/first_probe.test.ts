import { describe, expect, it } from "vitest";
import { firstProbe } from "../../src/core/first_probe";
import type { Probe } from "../../src/core/recording";

const probe = (index: number, text: readonly string[], split: "val" | "train" = "val"): Probe => ({
  index,
  split,
  source: { text, special: [] },
  target: null,
});
const words = (count: number): string[] => Array.from({ length: count }, (_, at) => `w${at}`);
const chosen = (...probes: Probe[]): number | undefined => firstProbe(probes)?.index;

describe("the probe of a fresh tab", () => {
  it("is the first one where that fits", () => {
    expect(chosen(probe(0, words(12)), probe(1, words(10)))).toBe(0);
  });

  it("is another of the same set where the first is too long, or mostly unknown words", () => {
    const good = probe(2, words(10));
    expect(chosen(probe(0, words(33)), probe(1, words(10), "train"), good)).toBe(2);
    expect(chosen(probe(0, [...words(8), "[UNK]", "<unk>"]), good)).toBe(2);
    expect(chosen({ ...probe(0, words(9)), target: { text: words(99), special: [] } }, good)).toBe(
      2,
    );
  });

  it("is the first one where none is better, and none where there are none", () => {
    expect(chosen(probe(0, words(128)), probe(1, words(128)))).toBe(0);
    expect(firstProbe([])).toBeNull();
  });
});
