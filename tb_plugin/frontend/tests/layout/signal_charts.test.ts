import { describe, expect, it } from "vitest";
import type { MetricSpec, StepEntry } from "../../src/core/recording";
import type { Assessment, Losses, MetricCurves, Signal } from "../../src/core/signals";
import { chartsCsv } from "../../src/export/csv";
import { stretchesWithoutHeight, valueText } from "../../src/layout/signals/chart";
import {
  defaultWatched,
  resampled,
  type SignalSources,
  signalGroups,
} from "../../src/layout/signals/signal_charts";

const STEPS: StepEntry[] = [0, 10, 20].map((step, epoch) => ({
  step,
  epoch,
  maps: true,
  v: `s.${epoch}`,
  scalars: {},
}));

const spec = (name: string): MetricSpec => ({
  name,
  title: name.toUpperCase(),
  unit: "share",
  low: 0,
  high: 1,
  reading: "",
  direction: "ascending",
  source: "",
});

const FLAG: Signal = {
  name: "output_entropy_gap",
  title: "Output entropy, validation against training sentences",
  unit: "share of ln(classes)",
  kind: "flag",
  panel: "outputs",
  curves: [
    { name: "val", title: "validation probes", values: [1, 0.8, 0.7], low: null, high: null },
    { name: "train", title: "training sentences", values: [1, 0.7, 0.4], low: null, high: null },
    {
      name: "change",
      title: "gap since the first step",
      values: [0, 0.1, 0.3],
      low: null,
      high: null,
    },
  ],
  band: { curve: "change", low: [-0.1, -0.1, -0.1], high: [0.1, 0.1, 0.1] },
  p_values: [1, 0.004, 0.002],
  threshold: null,
  fired: 20,
  suppressed: "",
  value: 0.3,
  p: 0.002,
  n_val: 16,
  n_train: 16,
  sentence: "",
  trust: "",
};

const ASSESSMENT: Assessment = {
  steps: [0, 10, 20],
  epochs: [0, 1, 2],
  losses: {
    train_name: "train_loss",
    val_name: "val_loss",
    train: [2, 1, 0.1],
    val: [2, 1, 3],
    smooth: [1.7, 1.75, 2.3],
    best_step: 0,
    rise_step: 20,
    sentence: "",
  },
  signals: [FLAG],
  state: "fired",
  headline: "",
};

const CURVES: MetricCurves = {
  part: "encoder",
  layer: null,
  head: null,
  steps: [0, 10],
  metrics: {
    prev: {
      val: { sentences: 16, mean: [0.1, 0.2], low: [0, 0.1], high: [0.2, 0.3] },
      train: { sentences: 16, mean: [0.1, null], low: [0, null], high: [0.2, null] },
    },
  },
};

const SOURCES: SignalSources = {
  steps: STEPS,
  assessment: ASSESSMENT,
  curves: CURVES,
  metrics: ["prev", "sink"].map(spec),
  watched: ["prev"],
  others: [],
  heads: "mean of 4 heads",
};

const charts = (sources: SignalSources) => signalGroups(sources).flatMap((group) => group.charts);
const chart = (id: string, sources = SOURCES) => charts(sources).find((known) => known.id === id);

describe("the charts of a run", () => {
  it("lead with the losses and the tested gap", () => {
    const [evidence] = signalGroups(SOURCES);
    expect(evidence?.charts.map(({ id }) => id)).toEqual(["loss", "output_entropy_gap"]);
    expect(chart("loss")?.lines.map(({ name }) => name)).toEqual([
      "validation",
      "training",
      "smoothed",
    ]);
    expect(chart("output_entropy_gap")?.lines.map(({ values }) => values)).toEqual([[0, 0.1, 0.3]]);
    expect(chart("output_entropy_gap")?.chance?.high).toEqual([0.1, 0.1, 0.1]);
  });

  it("mark a raised flag on the gap and on the loss", () => {
    const rings = ["loss", "output_entropy_gap"].map((id) =>
      chart(id)?.rings?.filter(({ tone }) => tone === "warn"),
    );
    expect(rings).toEqual([
      [{ index: 2, line: "validation", text: "signal, epoch 2", tone: "warn" }],
      [{ index: 2, line: "val − train", text: "signal, epoch 2", tone: "warn" }],
    ]);
  });

  it.each([
    { ...FLAG, fired: null },
    { ...FLAG, suppressed: "the probe sets differ" },
  ])("mark nothing where the flag is not raised", (flag) => {
    const quiet = { ...SOURCES, assessment: { ...ASSESSMENT, signals: [flag] } };
    const rings = charts(quiet).flatMap((one) => one.rings ?? []);
    expect(rings.filter(({ tone }) => tone === "warn")).toEqual([]);
  });

  it("show both sets of a tested number with each other", () => {
    const sets = chart("output_entropy_gap/sets");
    expect(sets?.lines.map(({ name, role }) => [name, role])).toEqual([
      ["validation", "val"],
      ["training", "train"],
    ]);
  });

  it("lay curves along the steps on screen, undefined where a step has just arrived", () => {
    const metric = chart("metric-0");
    expect(metric?.lines[0]?.values).toEqual([0.1, 0.2, Number.NaN]);
    expect(metric?.lines[1]?.values).toEqual([0.1, Number.NaN, Number.NaN]);
    expect(metric?.unit).toContain("mean of 4 heads");
  });

  it("say it when a metric does not exist for a part", () => {
    const nothing = { sentences: 16, mean: [null, null], low: [null, null], high: [null, null] };
    const curves = { ...CURVES, metrics: { prev: { val: nothing, train: null } } };
    expect(chart("metric-0", { ...SOURCES, curves })?.empty).toBe(
      "Not defined for this part of the model.",
    );
  });

  it("leave the verdict's charts out while there is none", () => {
    expect(charts({ ...SOURCES, assessment: null }).map(({ id }) => id)).toEqual(["metric-0"]);
  });
});

describe("another run", () => {
  it("is laid along the steps of the shown one, on straight lines between its own", () => {
    const steps = [0, 10, 20, 30].map((step) => ({
      step,
      epoch: 0,
      maps: true,
      v: "",
      scalars: {},
    }));
    expect(resampled(steps, [0, 20], [1, 3])).toEqual([1, 2, 3, Number.NaN]);
    expect(resampled(steps, [0, 10, 20], [1, null, 3])[1]).toBe(2);
    expect(resampled(steps, [], [])).toEqual(Array(4).fill(Number.NaN));
  });
});

describe("the loss chart", () => {
  it("dates the lowest loss and the rise above the smoothed minimum", () => {
    const rings = chart("loss")?.rings?.filter(({ tone }) => tone !== "warn");
    expect(rings?.map(({ index, text }) => [index, text])).toEqual([
      [0, "best validation, epoch 0"],
      [2, "3 % above its minimum, epoch 2"],
    ]);
  });

  it("gives the server's reason where no loss was logged", () => {
    const losses = {
      ...ASSESSMENT.losses,
      val_name: null,
      train_name: null,
      sentence: "No losses were logged.",
    };
    const assessment = { ...ASSESSMENT, losses };
    expect(chart("loss", { ...SOURCES, assessment })?.empty).toBe("No losses were logged.");
  });
});

describe("losses that are no numbers", () => {
  const steps = STEPS.map((entry, at) => ({
    ...entry,
    scalars: [{ val_loss: 2, train_loss: 1 }, { val_loss: null }, { val_loss: "Infinity" }][at],
  })) as StepEntry[];
  const losses: Losses = {
    ...ASSESSMENT.losses,
    val: [2, null, "Infinity"],
    train: [1, null, null],
  };
  const found = chart("loss", { ...SOURCES, steps, assessment: { ...ASSESSMENT, losses } });
  const [val, train] = found?.lines ?? [];

  it("are told apart: NaN, infinite, and not logged", () => {
    expect([0, 1, 2].map((at) => val && valueText(val, at, 2))).toEqual(["2.00", "NaN", "∞"]);
    expect([0, 1, 2].map((at) => train && valueText(train, at, 2))).toEqual(["1.00", "–", "–"]);
    expect(val && stretchesWithoutHeight(val)).toEqual([
      { from: 1, to: 1, text: "NaN" },
      { from: 2, to: 2, text: "∞" },
    ]);
    expect(train && stretchesWithoutHeight(train)).toEqual([]);
  });

  it("of another run break its line", () => {
    const values = resampled(STEPS, [0, 10, 20], [1, "Infinity", 3]);
    expect(values).toEqual([1, Infinity, 3]);
  });
});

describe("topology against the loss gap", () => {
  const topology: Signal = {
    ...FLAG,
    name: "topology_separation/encoder",
    kind: "descriptive",
    panel: "context",
    curves: [{ name: "separation", title: "all", values: [null, 0.7, 0.9], low: null, high: null }],
  };
  const signals = [FLAG, topology];

  it("has a point per step at validation minus training loss", () => {
    const found = chart("topology-against-gap", {
      ...SOURCES,
      assessment: { ...ASSESSMENT, signals },
    });
    expect(found?.across).toEqual([0, 0, 2.9]);
    expect(found?.lines[0]?.values).toEqual([Number.NaN, 0.7, 0.9]);
  });

  it("is left out without topology or without losses", () => {
    const losses = { ...ASSESSMENT.losses, val_name: null };
    expect(chart("topology-against-gap")).toBeUndefined();
    expect(
      chart("topology-against-gap", {
        ...SOURCES,
        assessment: { ...ASSESSMENT, signals, losses },
      }),
    ).toBeUndefined();
  });
});

describe("defaultWatched", () => {
  it("prefers topology where it was recorded", () => {
    const specs = ["prev", "row_entropy", "h0_mean", "h1_life", "head_diversity"].map(spec);
    expect(defaultWatched(specs)).toEqual(["row_entropy", "h1_life", "head_diversity"]);
    expect(defaultWatched([spec("prev")])).toEqual(["prev"]);
  });
});

describe("chartsCsv", () => {
  it("lists every point with its band and its p-value", () => {
    const [, gap] = charts(SOURCES);
    expect(
      chartsCsv(gap ? [gap] : [], STEPS)
        .split("\r\n")
        .slice(0, 3),
    ).toEqual([
      "chart,unit,curve,step,epoch,value,low,high,p",
      '"Output entropy, validation against training sentences",share of ln(classes); gap since the first step; hatched: by chance,val − train,0,0,0,,,1',
      '"Output entropy, validation against training sentences",share of ln(classes); gap since the first step; hatched: by chance,val − train,10,1,0.1,,,0.004',
    ]);
  });
});
