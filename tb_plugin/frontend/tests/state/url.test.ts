import { describe, expect, it } from "vitest";
import { DEFAULT_CUT } from "../../src/layout/network/layer_view";
import { readHash, writeHash } from "../../src/state/hash";
import { fromPairs, toPairs } from "../../src/state/url";
import { INITIAL, type ViewState, withLayer } from "../../src/state/view_state";

const BUSY: ViewState = {
  ...INITIAL,
  tab: "heads",
  metric: "row_entropy",
  curves: "splits",
  reach: "possible",
  watched: ["row_entropy", "h1_life"],
  graph: {
    head: 3,
    pair: "directed",
    norm: "rank",
    least: 0.95,
    words: false,
    values: true,
    near: true,
    feed: true,
    prune: "mass",
    colour: "head",
    group: 3,
    cls: 2,
    node: { layer: 5, token: 12 },
    camera: { yaw: -1.25, pitch: 0.5, zoom: 2, x: 12, y: -340.5 },
  },
  heads: {
    panel: "joint",
    side: "idle",
    order: { key: "delta", down: false },
    points: "tag",
    cut: 0.105,
  },
  runs: ["exp/a,b", "c%~d"],
  run: "exp/ünï #1 & <b>",
  part: "cross",
  probe: 3,
  step: 12345,
  reference: { run: "exp/other", step: 20 },
  compare: "diff",
  scale: "even",
  layers: new Map([
    [0, { mode: "maps", sort: "col_entropy", cut: { kind: "value", amount: 0.1 }, pile: 0.22 }],
    [4, { mode: "maps", sort: "head_diversity", cut: { kind: "count", amount: 30 }, pile: 0.3 }],
    [11, { mode: "sankey", sort: "lean", cut: { kind: "mass", amount: 0.85 }, pile: 0.3 }],
  ]),
  tokens: { start: 128, length: 512, merge: 8 },
  depth: { start: 16, length: 8 },
  fit: true,
  hideSpecial: true,
  mergeWords: true,
  lens: {
    layer: 3,
    head: 1,
    clusters: 12,
    table: "centred",
    cell: { query: 4, key: 0 },
    value: 5,
    words: "cloud",
  },
  filter: "a|b&c=d",
  lock: { layer: 2, head: 11, key: 0 },
  pin: { axis: "query", index: 4 },
};

describe("the view in the address", () => {
  it("comes back as it was written", () => {
    expect(fromPairs(toPairs(BUSY))).toEqual(BUSY);
  });

  it("survives the host's hash, whatever the names contain", () => {
    const hash = writeHash("#attn_monitor", toPairs(BUSY));
    expect(fromPairs(readHash(hash))).toEqual(BUSY);
  });

  it.each(["heads", "graph", "signals"] as const)("names the view %s", (tab) => {
    expect(fromPairs(toPairs({ ...INITIAL, tab })).tab).toBe(tab);
  });

  it("is empty for a fresh tab", () => {
    expect(toPairs(INITIAL)).toEqual({});
    expect(fromPairs({})).toEqual(INITIAL);
  });

  it.each([
    { step: "-1" },
    { tokens: "0~0" },
    { depth: "x~8" },
    { step: "1e9" },
    { probe: "x" },
    { layers: "0:zzv1,:,1:m" },
    { head: "1" },
    { token: "z3" },
    { show: "C" },
    { scale: "loud" },
    { runs: ",%E0%A4%A," },
    { b: "x" },
    { graph: "mean~sum~nothing~1~w" },
    { graph: "mean~sum~raw~-1~w" },
    { camera: "1~2" },
    { camera: "NaN~0~1" },
    { node: "1" },
    { lens: "1.2~16z" },
    { watch: "a~~b" },
    { watch: "<b>" },
    { panel: "x", points: "y", piled: "?" },
    { nonsense: "1" },
  ])("ignores the damaged value %o", (pairs) => {
    expect(fromPairs(pairs as unknown as Record<string, string>)).toEqual(INITIAL);
  });
});

describe("a layer in the address", () => {
  it("keeps the usual rule for links a rule, and no number of one sentence", () => {
    const layers = withLayer(INITIAL, "all", 2, { mode: "sankey" });
    expect(toPairs({ ...INITIAL, layers }).layers).toBe("0:sh,1:sh");
    expect(fromPairs({ layers: "0:sh,1:shv0.1d0.2" }).layers.get(0)?.cut).toEqual(DEFAULT_CUT);
  });
});

describe("writeHash", () => {
  it("keeps the host's tab and every other item, and replaces its own", () => {
    const before = "#scalars&p.attn_monitor.step=7&tagFilter=a%20b&p.other.x=1";
    expect(writeHash(before, { step: "8" })).toBe(
      "#scalars&tagFilter=a%20b&p.other.x=1&p.attn_monitor.step=8",
    );
  });

  it("names the tab when the address has no hash yet", () => {
    expect(writeHash("", { step: "8" })).toBe("#attn_monitor&p.attn_monitor.step=8");
  });

  it("reads a half-typed escape without failing", () => {
    expect(readHash("#attn_monitor&p.attn_monitor.run=%E0%A4%A")).toEqual({ run: "%E0%A4%A" });
  });
});

describe("withLayer", () => {
  it("changes one layer and leaves the others to their defaults", () => {
    const layers = withLayer(INITIAL, 2, 6, { mode: "maps" });
    expect([...layers.keys()]).toEqual([2]);
    expect(layers.get(2)?.mode).toBe("maps");
  });

  it("changes all layers but only the field it is given", () => {
    const layers = withLayer(BUSY, "all", 12, { mode: "sankey" });
    expect(layers.size).toBe(12);
    expect([...layers.values()].every(({ mode }) => mode === "sankey")).toBe(true);
    expect(layers.get(0)?.sort).toBe("col_entropy");
  });
});
