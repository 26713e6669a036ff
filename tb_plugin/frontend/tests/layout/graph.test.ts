import { describe, expect, it } from "vitest";
import { buildAxis } from "../../src/core/axis";
import { classAnswer, type ToldAnswer } from "../../src/core/class_answer";
import type { Maps, Matrix } from "../../src/core/maps";
import { bettiCurve } from "../../src/layout/graph/betti";
import { classNodes, largestPart, probabilities } from "../../src/layout/graph/class_nodes";
import {
  type GraphRule,
  graphPlane,
  type PlaneSource,
  strongestHeads,
} from "../../src/layout/graph/graph_planes";
import { pruneEdges } from "../../src/layout/graph/graph_prune";
import { edgeRings, ringCount, touches } from "../../src/layout/graph/graph_rings";
import { groupSize, joinLayers, layerGroups } from "../../src/layout/graph/layer_groups";
import { nearPlaces, type Place } from "../../src/layout/graph/near_layout";
import { ringPlaces } from "../../src/layout/graph/projection";
import {
  classStarts,
  type Edge,
  edgeClass,
  edgeLevels,
  pairEdges,
} from "../../src/layout/graph/token_graph";
import { topology } from "../../src/layout/graph/topology";
import { randomNumbers } from "../random";

const MAP: Matrix = {
  rows: 3,
  cols: 3,
  data: Float32Array.from([0.5, 0.25, 0.25, 0.75, 0.125, 0.125, 0, 0.5, 0.5]),
};

const evenly = (rows: number, cols: number): Matrix => ({
  rows,
  cols,
  data: new Float32Array(rows * cols).fill(1 / cols),
});

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
    edgeLevels(edges, MAP, norm, "sum", evenly(3, 3));

  it("measures against uniform attention", () => {
    expect(levels("uniform")[0]).toBeCloseTo(1.5);
    expect(levels("log")[0]).toBeCloseTo(Math.log10(1.5));
  });

  it("spans 0 to 1 within the layer, and ranks by share", () => {
    expect(levels("layer")).toEqual([1, 0, 0.5]);
    expect(levels("rank")).toEqual([1, 1 / 3, 2 / 3]);
  });

  it("measures a row against its strongest other token", () => {
    expect(levels("row")).toEqual([1, 1, 1]);
    expect(edgeLevels(pairEdges(MAP, "directed"), MAP, "row", "directed", MAP)[3]).toBeCloseTo(
      1 / 6,
    );
  });

  it("falls into five classes whose domain does not follow the data", () => {
    const classes = classStarts("layer", 0.2, 15);
    expect([0.2, 0.35, 0.5, 0.7, 0.99, 9].map((level) => edgeClass(level, classes))).toEqual([
      0, 0, 1, 3, 4, 4,
    ]);
  });

  it("draws no edge below even attention as a strong one, and leaves room above for long texts", () => {
    for (const tokens of [5, 15, 64, 128]) {
      const classes = classStarts("uniform", null, tokens);
      expect(edgeClass(1, classes)).toBe(0);
      expect(edgeClass(0.3, classes)).toBe(0);
      expect(classes[1]).toBeGreaterThan(1.15);
    }
    expect(edgeClass(4, classStarts("uniform", null, 15))).toBe(4);
    expect(edgeClass(4, classStarts("uniform", null, 128))).toBeLessThan(4);
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
  const rule = {
    head: "mean",
    pair: "sum",
    norm: "raw",
    prune: "level",
    least: 0.3,
    group: null,
    words: false,
  } as const;
  const source = (before: Matrix | null = null): PlaneSource => ({
    layers: { start: 0, stop: 1 },
    map: MAP,
    before,
    query: axis,
    key: axis,
    even: evenly(3, 3),
    causal: false,
  });

  it("keeps edges from the cut on and says what share of the weight they carry", () => {
    const plane = graphPlane(source(), rule);
    expect(plane.kept.map(({ from, to }) => [from, to])).toEqual([
      [0, 1],
      [1, 2],
    ]);
    expect(plane.mass).toBeCloseTo(1.625 / 1.875);
  });

  it("leaves out special tokens and says how much that is", () => {
    const plane = graphPlane(source(), { ...rule, words: true });
    expect(plane.kept).toHaveLength(1);
    expect(plane.specialMass).toBeCloseTo(1.25 / 1.875);
  });

  it("knows the change of every edge, also of edges that only B keeps", () => {
    const before = { ...MAP, data: Float32Array.from([0, 0, 1, 0, 1, 0, 0, 0, 1]) };
    const plane = graphPlane(source(before), rule);
    expect(plane.kept.map(({ from, to, change, fate }) => [from, to, change, fate])).toEqual([
      [0, 1, 1, "born"],
      [0, 2, -0.75, "lost"],
      [1, 2, 0.625, "born"],
    ]);
  });

  it("keeps the strongest of A and the strongest of B where a number is asked for", () => {
    const before = { ...MAP, data: Float32Array.from([0, 0, 1, 0, 1, 0, 0, 0, 1]) };
    const plane = graphPlane(source(before), { ...rule, prune: "count", least: 1 });
    expect(plane.kept.map(({ from, to, fate }) => [from, to, fate])).toEqual([
      [0, 1, "born"],
      [0, 2, "lost"],
    ]);
    const same = graphPlane(source(MAP), { ...rule, prune: "count", least: 1 });
    expect(same.kept.map(({ fate }) => fate)).toEqual(["kept"]);
  });
});

describe("pruning", () => {
  const edges = [0.4, 0.1, 0.3, 0.1, 0.1].map((weight, at) => ({
    from: at,
    to: at + 1,
    forward: weight,
    backward: 0,
    weight,
    level: weight,
  }));
  const kept = (prune: Parameters<typeof pruneEdges>[1], amount: number): number[] =>
    pruneEdges(edges, prune, amount).map(({ from }) => from);

  it("keeps edges from a level on, the strongest few, or the fewest with a share of the weight", () => {
    expect(kept("level", 0.3)).toEqual([0, 2]);
    expect(kept("count", 3)).toEqual([0, 1, 2]);
    expect(kept("mass", 0.5)).toEqual([0, 2]);
    expect(kept("mass", 0.71)).toEqual([0, 1, 2]);
  });

  it("keeps nothing for nothing, and everything for everything", () => {
    expect(kept("count", 0)).toEqual([]);
    expect(kept("mass", 0)).toEqual([]);
    expect(kept("mass", 1)).toEqual([0, 1, 2, 3, 4]);
  });
});

describe("two sentences", () => {
  const map: Matrix = { rows: 2, cols: 3, data: Float32Array.from([0.5, 0.3, 0.2, 0.1, 0.1, 0.8]) };
  const sentence = {
    query: [0, 1].map((at) => ({ text: `t${at}`, special: false, members: [at] })),
    key: [0, 1, 2].map((at) => ({ text: `s${at}`, special: false, members: [at] })),
    cross: true,
    causal: false,
  };

  it("are joined by every pair of target and source, also those with the same place", () => {
    const edges = pairEdges(map, "cross");
    expect(edges.map(({ weight }) => weight)).toEqual(Array.from(map.data));
    expect(edgeLevels(edges, map, "uniform", "cross", evenly(2, 3))[0]).toBeCloseTo(1.5);
    expect(edgeLevels(edges, map, "row", "cross", evenly(2, 3))[1]).toBeCloseTo(0.6);
  });

  it("stand on two rings per layer, source first, and edges run from target to source", () => {
    expect(ringCount(3, sentence)).toBe(6);
    expect(edgeRings(1, sentence)).toEqual([3, 2]);
    const [first] = pairEdges(map, "cross").slice(1);
    const edge = first as Edge;
    expect(touches(edge, { layer: 3, token: 0 }, sentence)).toBe(true);
    expect(touches(edge, { layer: 2, token: 1 }, sentence)).toBe(true);
    expect(touches(edge, { layer: 2, token: 0 }, sentence)).toBe(false);
  });
});

describe("bettiCurve", () => {
  it("agrees at every cut with counting the graph that is kept there", () => {
    const random = randomNumbers(7);
    const edges = Array.from({ length: 9 }, (_, from) =>
      Array.from({ length: 9 }, (_, to) => ({ from, to, level: 5 * random() })),
    )
      .flat()
      .filter(({ from, to }) => from !== to);
    const { cuts, parts, cycles } = bettiCurve(edges, 9, 5);
    cuts.forEach((cut, at) => {
      const counted = topology(
        edges.filter(({ level }) => level >= cut),
        9,
      );
      expect([parts[at], cycles[at]]).toEqual([counted.parts, counted.cycles]);
    });
  });
});

describe("length by weight", () => {
  const ring = ringPlaces(12);
  const gap = (places: readonly Place[], { from, to }: { from: number; to: number }): number => {
    const [a, b] = [places[from], places[to]];
    return a && b ? Math.hypot(a.y - b.y, a.z - b.z) : Number.NaN;
  };

  it("brings strong pairs closer than weak ones across the ring", () => {
    const strong = { from: 0, to: 6, weight: 1 };
    const weak = { from: 3, to: 9, weight: 0.05 };
    const places = nearPlaces(ring, [strong, weak]);
    expect(gap(places, strong)).toBeLessThan(0.5 * gap(ring, strong));
    expect(gap(places, weak)).toBeGreaterThan(gap(places, strong));
  });

  it("leaves tokens without edges where they were", () => {
    expect(nearPlaces(ring, [{ from: 0, to: 1, weight: 1 }]).slice(2)).toEqual(ring.slice(2));
  });
});

describe("deep models", () => {
  it("share planes between neighbouring layers, at most eight planes", () => {
    expect(groupSize(null, 6)).toBe(1);
    expect(groupSize(null, 24)).toBe(3);
    expect(layerGroups({ start: 0, stop: 7 }, 3)).toEqual([
      { start: 0, stop: 3 },
      { start: 3, stop: 6 },
      { start: 6, stop: 7 },
    ]);
  });

  it("show the mean of the layers of a plane", () => {
    const maps: Maps = {
      data: Float32Array.from([1, 3, 5]),
      layers: 3,
      heads: 1,
      queries: 1,
      keys: 1,
    };
    expect(joinLayers(maps, { start: 0, stop: 3 }, [1, 1, 1], "mean").data[0]).toBe(3);
  });
});

describe("the class layer", () => {
  const axis = [
    { text: "a b", special: false, members: [0, 1] },
    { text: "c", special: false, members: [2] },
  ];
  const answer = {
    scores: [0, Math.log(3)],
    contributions: [
      [1, 2],
      [3, 4],
      [5, -6],
    ],
  };

  it("turns scores into probabilities and adds up the parts of joined tokens", () => {
    const nodes = classNodes(answer, ["no", "yes"], axis);
    expect(nodes.map(({ name }) => name)).toEqual(["no", "yes"]);
    expect(nodes[1]?.probability).toBeCloseTo(0.75);
    expect(nodes[1]?.added).toEqual([6, -6]);
  });

  it("makes no classes equally likely of scores that are not numbers", () => {
    const told: ToldAnswer = {
      scores: [null, 0.5],
      contributions: [
        [null, "-Infinity"],
        [1, 2],
        [3, 4],
      ],
    };
    const nodes = classNodes(classAnswer(told), ["no", "yes"], axis);
    expect(nodes.map(({ probability }) => probability)).toEqual([Number.NaN, Number.NaN]);
    expect(nodes.map(({ added }) => added)).toEqual([
      [Number.NaN, 3],
      [-Infinity, 4],
    ]);
    expect(largestPart(nodes)).toBe(4);
  });

  it("takes probabilities as they are", () => {
    expect(probabilities([0.2, 0.8])).toEqual([0.2, 0.8]);
  });
});

describe("heads of edges", () => {
  it("are those with the largest weight on the pair, both directions together", () => {
    const data = Float32Array.from([0, 0.2, 0.3, 0, 0, 0.4, 0.05, 0]);
    const maps: Maps = { data, layers: 1, heads: 2, queries: 2, keys: 2 };
    const axis = [0, 1].map((at) => ({ text: `${at}`, special: false, members: [at] }));
    const rule: GraphRule = {
      head: "mean",
      pair: "sum",
      norm: "raw",
      prune: "count",
      least: 9,
      group: null,
      words: false,
    };
    const layers = { start: 0, stop: 1 };
    const map = joinLayers(maps, layers, [2], "mean");
    const plane = graphPlane(
      { layers, map, before: null, query: axis, key: axis, even: map, causal: false },
      rule,
    );
    expect([...strongestHeads(plane, maps, [2]).values()]).toEqual([0]);
  });
});
