import { describe, expect, it } from "vitest";
import { buildAxis } from "../../src/core/axis";
import type { Matrix } from "../../src/core/maps";
import { edgeClass, edgeLevels, pairEdges, uniformWeight } from "../../src/layout/graph";
import { graphPlane } from "../../src/layout/graph_planes";
import { FIRST_CAMERA, projection } from "../../src/layout/projection";
import { topology } from "../../src/layout/topology";

const MAP: Matrix = {
  rows: 3,
  cols: 3,
  data: Float32Array.from([0.5, 0.25, 0.25, 0.75, 0.125, 0.125, 0, 0.5, 0.5]),
};

describe("pairEdges", () => {
  it("sums both directions of a pair, as CS559 does", () => {
    expect(pairEdges(MAP, "sum").map(({ from, to, weight }) => [from, to, weight])).toEqual([
      [0, 1, 1],
      [0, 2, 0.25],
      [1, 2, 0.625],
    ]);
  });

  it("takes the mean, the maximum, or keeps directions apart", () => {
    expect(pairEdges(MAP, "mean").map(({ weight }) => weight)).toEqual([0.5, 0.125, 0.3125]);
    expect(pairEdges(MAP, "max").map(({ weight }) => weight)).toEqual([0.75, 0.25, 0.5]);
    expect(pairEdges(MAP, "directed").map(({ from, to, weight }) => [from, to, weight])).toEqual([
      [0, 1, 0.25],
      [0, 2, 0.25],
      [1, 0, 0.75],
      [1, 2, 0.125],
      [2, 0, 0],
      [2, 1, 0.5],
    ]);
  });
});

describe("edgeLevels", () => {
  const edges = pairEdges(MAP, "sum");
  const levels = (norm: Parameters<typeof edgeLevels>[2]): number[] =>
    edgeLevels(edges, MAP, norm, "sum");

  it("measures against uniform attention", () => {
    expect(uniformWeight("sum", 3)).toBeCloseTo(2 / 3);
    expect(levels("uniform")[0]).toBeCloseTo(1.5);
    expect(levels("log")[0]).toBeCloseTo(Math.log10(1.5));
  });

  it("spans 0 to 1 within the layer, and ranks by share", () => {
    expect(levels("layer")).toEqual([1, 0, 0.5]);
    expect(levels("rank")).toEqual([1, 1 / 3, 2 / 3]);
  });

  it("measures a row against its strongest other token", () => {
    expect(levels("row")).toEqual([1, 1, 1]);
    expect(edgeLevels(pairEdges(MAP, "directed"), MAP, "row", "directed")[3]).toBeCloseTo(1 / 6);
  });

  it("falls into five classes whose domain does not follow the data", () => {
    expect([0.2, 0.35, 0.5, 0.7, 0.99, 9].map((level) => edgeClass(level, 0.2, "layer"))).toEqual([
      0, 0, 1, 3, 4, 4,
    ]);
  });
});

describe("topology", () => {
  const ring = (size: number) =>
    Array.from({ length: size }, (_, at) => ({ from: at, to: (at + 1) % size }));
  const complete = (size: number) =>
    Array.from({ length: size }, (_, from) =>
      Array.from({ length: size - from - 1 }, (_, at) => ({ from, to: from + at + 1 })),
    ).flat();

  it("finds one cycle and no clique in a ring", () => {
    expect(topology(ring(6), 6)).toEqual({ edges: 6, parts: 1, cycles: 1, cliques: 0, largest: 2 });
  });

  it("finds one clique in a complete graph, with (n − 1)(n − 2) / 2 cycles", () => {
    expect(topology(complete(7), 7)).toEqual({
      edges: 21,
      parts: 1,
      cycles: 15,
      cliques: 1,
      largest: 7,
    });
  });

  it("counts lonely tokens as parts, and an edge in both directions once", () => {
    const both = [
      { from: 0, to: 1 },
      { from: 1, to: 0 },
    ];
    expect(topology(both, 4)).toEqual({ edges: 1, parts: 3, cycles: 0, cliques: 0, largest: 2 });
    expect(topology([], 0)).toEqual({ edges: 0, parts: 0, cycles: 0, cliques: 0, largest: 0 });
  });

  it("counts two triangles that share an edge as two maximal cliques", () => {
    const pairs = [...complete(3), { from: 1, to: 3 }, { from: 2, to: 3 }];
    expect(topology(pairs, 4)).toMatchObject({ cliques: 2, largest: 3, cycles: 2 });
  });
});

describe("graphPlane", () => {
  const axis = buildAxis(
    { text: ["[CLS]", "a", "b"], special: [0] },
    { hideSpecial: false, mergeWords: false },
  );
  const rule = { head: "mean", pair: "sum", norm: "raw", least: 0.3, words: false } as const;

  it("keeps edges from the cut on and says what share of the weight they carry", () => {
    const plane = graphPlane(MAP, null, axis, rule);
    expect(plane.kept.map(({ from, to }) => [from, to])).toEqual([
      [0, 1],
      [1, 2],
    ]);
    expect(plane.mass).toBeCloseTo(1.625 / 1.875);
  });

  it("leaves out special tokens and says how much that is", () => {
    const plane = graphPlane(MAP, null, axis, { ...rule, words: true });
    expect(plane.kept).toHaveLength(1);
    expect(plane.specialMass).toBeCloseTo(1.25 / 1.875);
  });

  it("knows the change of every edge, also of edges that only B keeps", () => {
    const before = { ...MAP, data: Float32Array.from([0, 0, 1, 0, 1, 0, 0, 0, 1]) };
    const plane = graphPlane(MAP, before, axis, rule);
    expect(plane.kept.map(({ from, to, change }) => [from, to, change])).toEqual([
      [0, 1, 1],
      [0, 2, -0.75],
      [1, 2, 0.625],
    ]);
  });
});

describe("projection", () => {
  const size = { width: 900, height: 640 };

  it("keeps every token of every plane inside the window at the first camera", () => {
    for (const layers of [1, 2, 6, 24]) {
      const scene = projection(layers, 15, size, FIRST_CAMERA);
      for (let layer = 0; layer < layers; layer++) {
        for (let token = 0; token < 15; token++) {
          const { x, y } = scene.token(layer, token);
          expect(x).toBeGreaterThan(0);
          expect(x).toBeLessThan(size.width);
          expect(y).toBeGreaterThan(0);
          expect(y).toBeLessThan(size.height);
        }
      }
    }
  });

  it("shows later layers further right, and larger when zoomed", () => {
    const near = projection(6, 15, size, FIRST_CAMERA);
    const zoomed = projection(6, 15, size, { ...FIRST_CAMERA, zoom: 2 });
    const span = (scene: typeof near): number => scene.middle(5).x - scene.middle(0).x;
    expect(span(near)).toBeGreaterThan(0);
    expect(span(zoomed)).toBeCloseTo(2 * span(near), 6);
  });
});
