import { describe, expect, it } from "vitest";
import { buildAxis } from "../../src/core/axis";
import type { Maps } from "../../src/core/maps";
import type { Part } from "../../src/core/recording";
import { curvesCsv, graphCsv, networkCsv, toCsv } from "../../src/export/csv";
import { graphPlane } from "../../src/layout/graph/graph_planes";
import type { LayerView } from "../../src/layout/network/layer_view";

const LAYER = { name: "a", heads: 2, evidence: "model", error: null } as const;
const PART: Part = { name: "encoder", kind: "self", causal: false, layers: [LAYER], uniform: [] };
const MAPS: Maps = {
  layers: 1,
  heads: 2,
  queries: 2,
  keys: 2,
  data: Float32Array.from([1, 0, 0.5, 0.5, 0.5, 0.5, 0.25, 0.75]),
};
const AXIS = buildAxis(
  { text: ['say "hi"', "a,b"], special: [] },
  { hideSpecial: false, mergeWords: false },
);
const EVEN = { rows: 2, cols: 2, data: new Float32Array(4).fill(0.5) };
const LINKS: LayerView = {
  mode: "sankey",
  sort: "head",
  cut: { kind: "value", amount: 0.5 },
  pile: 0,
};

const table = (view: LayerView, reference: Maps | null = null) =>
  networkCsv({
    part: PART,
    query: AXIS,
    key: AXIS,
    maps: MAPS,
    reference,
    layers: [view],
    even: [EVEN],
  });

describe("toCsv", () => {
  it("quotes what could be misread and leaves undefined numbers empty", () => {
    expect(
      toCsv(
        ["a", "b"],
        [
          ['x"y', Number.NaN],
          ["p,q\n", 0.1],
        ],
      ),
    ).toBe('a,b\r\n"x""y",\r\n"p,q\n",0.1\r\n');
  });
});

describe("networkCsv", () => {
  it("lists the drawn links of a Sankey layer with their mean weight", () => {
    expect(table(LINKS)).toBe(
      [
        "kind,layer,head,query,query_token,key,key_token,value",
        'link,0,mean,0,"say ""hi""",0,"say ""hi""",0.75',
        'link,0,mean,1,"a,b",1,"a,b",0.625',
        "",
      ].join("\r\n"),
    );
  });

  it("lists every cell of every head of a layer shown as maps", () => {
    const rows = table({ ...LINKS, mode: "maps" })
      .trimEnd()
      .split("\r\n");
    expect(rows).toHaveLength(1 + 2 * 4);
    expect(rows.at(-1)).toBe('map,0,1,1,"a,b",1,"a,b",0.75');
  });

  it("lists changes and fates in a comparison", () => {
    const before = { ...MAPS, data: Float32Array.from([0, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.75]) };
    const rows = table(LINKS, before).trimEnd().split("\r\n");
    expect(rows.slice(1).map((row) => [row.split(",")[0], row.split(",").at(-1)])).toEqual([
      ["link born", "0.5"],
      ["link lost", "-0.5"],
      ["link kept", "0"],
    ]);
  });
});

describe("graphCsv", () => {
  it("lists the drawn edges with both directions", () => {
    const rule = {
      head: "mean",
      pair: "sum",
      norm: "raw",
      prune: "level",
      least: 0,
      group: null,
      words: false,
    } as const;
    const layers = { start: 0, stop: 1 };
    const map = { rows: 2, cols: 2, data: Float32Array.from([0.5, 0.5, 0.25, 0.75]) };
    const plane = graphPlane(
      { layers, map, before: null, query: AXIS, key: AXIS, even: map, causal: false },
      rule,
    );
    expect(graphCsv([plane], AXIS, AXIS).split("\r\n")[1]).toBe(
      '0,0,"say ""hi""",1,"a,b",0.75,0.5,0.25,0.75,,',
    );
  });
});

describe("curvesCsv", () => {
  it("lists every step of every head", () => {
    const series = {
      steps: [10, 20],
      layers: 1,
      heads: 2,
      metrics: 1,
      data: Float32Array.from([0.5, 0.25, 1, 0]),
    };
    const text = curvesCsv({
      part: PART,
      metric: "row_entropy",
      metricIndex: 0,
      steps: [{ step: 10, epoch: 1, maps: true, v: "", scalars: {} }],
      curves: [{ name: "this sentence", series }],
    });
    expect(text).toBe(
      [
        "curve,step,epoch,layer,head,row_entropy",
        "this sentence,10,1,0,0,0.5",
        "this sentence,10,1,0,1,0.25",
        "this sentence,20,,0,0,1",
        "this sentence,20,,0,1,0",
        "",
      ].join("\r\n"),
    );
  });
});
