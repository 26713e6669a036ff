import { describe, expect, it } from "vitest";
import { crossFilter } from "../../src/state/cross_filter";
import { INITIAL, INITIAL_GRAPH } from "../../src/state/view_state";

const SELF = { cross: false, group: 1 };
const CROSS = { cross: true, group: 1 };
const lock = { layer: 2, head: 5, key: null };

describe("a choice in one view", () => {
  it("makes a pinned token the graph's token, on the layer that was chosen there", () => {
    const start = { ...INITIAL, graph: { ...INITIAL_GRAPH, node: { layer: 3, token: 1 } } };
    const pin = { axis: "query", index: 7 } as const;
    expect(crossFilter(start, { pin }, SELF).graph.node).toEqual({ layer: 3, token: 7 });
    // Encoder-decoder: plane 2 has the source on ring 2 and the target on ring 3.
    const onTarget = { ...start, graph: { ...start.graph, node: { layer: 2, token: 1 } } };
    expect(crossFilter(onTarget, { pin }, CROSS).graph.node).toEqual({ layer: 3, token: 7 });
  });

  it("makes a held head the graph's head and layer, and the mean again when it is released", () => {
    const held = crossFilter(INITIAL, { lock: { ...lock, key: 4 } }, SELF);
    expect(held.graph).toEqual({ ...INITIAL_GRAPH, head: 5, node: { layer: 2, token: 4 } });
    expect(crossFilter(held, { lock: null }, SELF).graph.head).toBe("mean");
    expect(crossFilter(INITIAL, { lock }, { cross: false, group: 2 }).graph.node.layer).toBe(1);
  });

  it("keeps a joined head of the graph that the released head did not choose", () => {
    const held = { ...INITIAL, lock, graph: { ...INITIAL_GRAPH, head: "max" } as const };
    expect(crossFilter(held, { lock: null }, SELF).graph.head).toBe("max");
  });

  it("pins the graph's token, and holds its head on the layer of that token", () => {
    const node = { layer: 1, token: 6 };
    const moved = crossFilter(INITIAL, { graph: { ...INITIAL_GRAPH, node } }, SELF);
    expect(moved.pin).toEqual({ axis: "key", index: 6 });
    expect(moved.lock).toBeNull();
    const headed = crossFilter(moved, { graph: { ...moved.graph, head: 3 } }, SELF);
    expect(headed.lock).toEqual({ layer: 1, head: 3, key: null });
    expect(headed.pin).toEqual(moved.pin);
    const mean = crossFilter(headed, { graph: { ...headed.graph, head: "mean" } }, SELF);
    expect(mean.lock).toBeNull();
  });

  it("chooses nothing when the camera turns or a plane joins layers", () => {
    const camera = { yaw: 1, pitch: 0, zoom: 1, x: 0, y: 0 };
    const turned = crossFilter(INITIAL, { graph: { ...INITIAL_GRAPH, camera } }, SELF);
    expect([turned.pin, turned.lock]).toEqual([null, null]);
    const joined = { cross: false, group: 3 };
    const headed = crossFilter(INITIAL, { graph: { ...INITIAL_GRAPH, head: 3 } }, joined);
    expect(headed.lock).toBeNull();
  });

  it("stays chosen when the step changes", () => {
    const pinned = crossFilter(INITIAL, { pin: { axis: "key", index: 2 }, lock }, SELF);
    expect(crossFilter(pinned, { step: 9 }, SELF)).toEqual({ ...pinned, step: 9 });
  });
});
