import { describe, expect, it } from "vitest";
import {
  axesOf,
  bestValidation,
  nearestStep,
  type Part,
  type Probe,
  type StepEntry,
  sameTokens,
} from "../../src/core/recording";

const step = (at: number, scalars: StepEntry["scalars"] = {}): StepEntry => ({
  step: at,
  epoch: at / 10,
  maps: true,
  v: String(at),
  scalars,
});

const part = (name: string, kind: Part["kind"]): Part => ({
  name,
  kind,
  causal: false,
  layers: [],
  uniform: [],
});

describe("bestValidation", () => {
  it("is the step that the server names, whatever the loss is called", () => {
    const steps = [step(0, { eval_loss: 2 }), step(10, { eval_loss: 1 })];
    expect(bestValidation({ steps, best: { step: 10, name: "eval_loss" } })?.step).toBe(10);
  });

  it("is nothing without a loss, or where that step is not among those shown", () => {
    expect(bestValidation({ steps: [step(0)], best: null })).toBeNull();
    expect(bestValidation({ steps: [step(0)], best: { step: 5, name: "val_loss" } })).toBeNull();
  });
});

describe("nearestStep", () => {
  it("is the recorded step itself, else the nearest, the earlier one on a tie", () => {
    const steps = [step(0), step(10), step(20)];
    expect(nearestStep(steps, 10)).toBe(1);
    expect(nearestStep(steps, 14)).toBe(1);
    expect(nearestStep(steps, 15)).toBe(1);
    expect(nearestStep(steps, 999)).toBe(2);
    expect(nearestStep([], 0)).toBe(-1);
  });
});

describe("sameTokens", () => {
  const words = (text: string): Probe["source"] => ({ text: text.split(" "), special: [] });
  const probe = (query: string, key: string): Probe => ({
    index: 0,
    split: "val",
    source: words(key),
    target: null,
    own_axes: [{ part: "encoder", query: words(query), key: words(key) }],
  });

  it("is so where rows and columns have the same words, in self-attention alone", () => {
    expect(sameTokens(part("encoder", "self"), probe("a b", "a b"))).toBe(true);
    expect(sameTokens(part("encoder", "cross"), probe("a b", "a b"))).toBe(false);
  });

  it("is not so behind a prefix, for the first word alone, or among other words", () => {
    for (const [query, key] of [
      ["a b", "#0 a b"],
      ["a", "a b"],
      ["a b", "b c"],
    ] as const) {
      expect(sameTokens(part("encoder", "self"), probe(query, key))).toBe(false);
    }
  });
});

describe("axesOf", () => {
  const source = { text: ["a"], special: [] };
  const target = { text: ["b"], special: [] };
  const pair: Probe = { index: 0, split: "val", source, target };
  const single: Probe = { ...pair, target: null };

  it("puts target words on the query axis of encoder-decoder attention", () => {
    expect(axesOf(part("cross", "cross"), pair)).toEqual({ query: target, key: source });
  });

  it("shows a decoder its target, and a model with one stream its source", () => {
    expect(axesOf(part("decoder", "self"), pair)).toEqual({ query: target, key: target });
    expect(axesOf(part("decoder", "self"), single)).toEqual({ query: source, key: source });
    expect(axesOf(part("encoder", "self"), pair)).toEqual({ query: source, key: source });
  });
});
