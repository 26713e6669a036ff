import { describe, expect, it } from "vitest";
import type { StepEntry } from "../../src/core/recording";
import { nextMark, tickAt, tickX, timeline } from "../../src/layout/timeline";

const steps = (count: number, perEpoch = 1): StepEntry[] =>
  Array.from({ length: count }, (_, index) => ({
    step: 20 * index,
    epoch: Math.floor(index / perEpoch),
    maps: index % 2 === 0,
    v: "",
    scalars: {},
  }));

describe("timeline", () => {
  it("has a tick for every recorded step, three hundred too", () => {
    const { ticks } = timeline(steps(300, 15), 800);
    expect(ticks).toHaveLength(300);
    expect(ticks.filter(({ startsEpoch }) => startsEpoch)).toHaveLength(20);
    expect(ticks[1]?.maps).toBe(false);
  });

  it.each([1, 2, 21, 300])("finds each of %i ticks again under the pointer", (count) => {
    for (let index = 0; index < count; index++) {
      expect(tickAt(tickX(index, count, 900), count, 900)).toBe(index);
    }
    expect(tickAt(-50, count, 900)).toBe(0);
    expect(tickAt(5000, count, 900)).toBe(count - 1);
  });

  it.each([
    [21, 1, 900],
    [21, 1, 300],
    [300, 15, 600],
    [1000, 1, 400],
  ])("labels epochs of %i steps (%i per epoch) in %i px without overlap", (count, per, width) => {
    const { labels } = timeline(steps(count, per), width);
    expect(labels[0]?.text).toBe("epoch 0");
    expect(labels.length).toBeGreaterThan(1);
    labels.slice(1).forEach((label, index) => {
      expect(label.x - (labels[index]?.x ?? 0)).toBeGreaterThanOrEqual(33);
    });
  });

  it("has no ticks and no labels without steps", () => {
    expect(timeline([], 500)).toEqual({ width: 500, ticks: [], labels: [] });
  });
});

describe("nextMark", () => {
  it("is the nearest mark in the direction, never the step itself", () => {
    expect(nextMark([9, 2, 5], 5, 1)).toBe(9);
    expect(nextMark([9, 2, 5], 5, -1)).toBe(2);
    expect(nextMark([9, 2, 5], 9, 1)).toBeNull();
    expect(nextMark([], 0, -1)).toBeNull();
  });
});
