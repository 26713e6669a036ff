import { describe, expect, it } from "vitest";
import { AttentionCache } from "../../src/api/attention_cache";
import { Latest } from "../../src/api/latest";
import { ByteLru } from "../../src/api/lru";
import type { AttentionQuery, DataSource } from "../../src/api/source";
import type { Maps } from "../../src/core/maps";

const maps = (value: number): Maps => ({
  data: Float32Array.from([value]),
  layers: 1,
  heads: 1,
  queries: 1,
  keys: 1,
});

const query = (step: number, version = "s.0"): AttentionQuery => ({
  run: "r",
  step,
  version,
  part: "encoder",
  probe: 0,
});

/** A source that counts what it is asked for. */
function countingSource(): { source: DataSource; asked: number[] } {
  const asked: number[] = [];
  const refuse = (): never => {
    throw new Error("not asked for in these tests");
  };
  return {
    asked,
    source: {
      index: refuse,
      run: refuse,
      metrics: refuse,
      piles: refuse,
      redundancy: refuse,
      classes: refuse,
      lens: refuse,
      elbow: refuse,
      overTime: refuse,
      joint: refuse,
      curves: refuse,
      signals: refuse,
      attention: async ({ step }) => {
        asked.push(step);
        return maps(step);
      },
    },
  };
}

const unstoppable = (): AbortSignal => new AbortController().signal;

describe("ByteLru", () => {
  it("drops the least recently used value when the bytes run out", () => {
    const lru = new ByteLru<string>(10);
    lru.set("a", "A", 4);
    lru.set("b", "B", 4);
    lru.get("a");
    lru.set("c", "C", 4);
    expect([lru.get("a"), lru.get("b"), lru.get("c")]).toEqual(["A", undefined, "C"]);
  });

  it("keeps the newest value even when it is larger than everything", () => {
    const lru = new ByteLru<string>(10);
    lru.set("a", "A", 4);
    lru.set("huge", "H", 99);
    expect([lru.get("a"), lru.get("huge")]).toEqual([undefined, "H"]);
  });

  it("counts a replaced value once", () => {
    const lru = new ByteLru<string>(10);
    lru.set("a", "A", 8);
    lru.set("a", "A2", 8);
    lru.set("b", "B", 2);
    expect([lru.get("a"), lru.get("b")]).toEqual(["A2", "B"]);
  });
});

describe("AttentionCache", () => {
  it("asks the server once for each step", async () => {
    const { source, asked } = countingSource();
    const cache = new AttentionCache(source);
    await cache.load(query(1), unstoppable());
    await cache.load(query(1), unstoppable());
    expect(asked).toEqual([1]);
    expect(cache.peek(query(1))?.data[0]).toBe(1);
  });

  it("tells a step recorded again from the first attempt", async () => {
    const { source, asked } = countingSource();
    const cache = new AttentionCache(source);
    await cache.load(query(1, "s.0"), unstoppable());
    await cache.load(query(1, "s.1"), unstoppable());
    expect(asked).toEqual([1, 1]);
  });

  it("waits for a prefetch on its way instead of asking again", async () => {
    const { source, asked } = countingSource();
    const cache = new AttentionCache(source);
    cache.prefetch([query(2), query(3)]);
    await cache.load(query(2), unstoppable());
    expect(asked).toEqual([2, 3]);
  });

  it("asks again what a prefetch on its way then failed at", async () => {
    const { source, asked } = countingSource();
    const { attention } = source;
    const failing: DataSource["attention"] = async (...asking) => {
      source.attention = attention;
      await attention(...asking);
      throw new TypeError("Failed to fetch");
    };
    source.attention = failing;
    const cache = new AttentionCache(source);
    cache.prefetch([query(2)]);
    expect((await cache.load(query(2), unstoppable())).data[0]).toBe(2);
    expect(asked).toEqual([2, 2]);
  });
});

describe("Latest", () => {
  it("aborts the request before the newest one", () => {
    const latest = new Latest();
    const first = latest.start();
    const second = latest.start();
    expect([first.aborted, second.aborted]).toEqual([true, false]);
    latest.cancel();
    expect(second.aborted).toBe(true);
  });
});
