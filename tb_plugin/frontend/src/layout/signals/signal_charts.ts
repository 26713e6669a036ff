// Which charts the signals view shows of a run, and what is in each.
import { type MetricSpec, numberOf, type StepEntry } from "../../core/recording";
import {
  type Assessment,
  flagOf,
  isRaised,
  type Losses,
  type MetricCurves,
  type OverSteps,
  type Signal,
  type SignalCurve,
} from "../../core/signals";
import type { Chart, ChartLine, LineRole, OtherLine, Ring } from "./chart";

/** A row of charts of equal rank. */
export interface ChartGroup {
  readonly heading: string | null;
  readonly size: "large" | "small";
  readonly charts: readonly Chart[];
}

/** Another run, to be drawn over the shown one. */
export interface OtherRun {
  readonly name: string;
  readonly colour: string;
  readonly steps: readonly StepEntry[];
  /** What its validation loss was logged as. */
  readonly loss: string | null;
  readonly curves: MetricCurves | null;
}

export interface SignalSources {
  readonly steps: readonly StepEntry[];
  readonly assessment: Assessment | null;
  readonly curves: MetricCurves | null;
  readonly metrics: readonly MetricSpec[];
  /** Names of the metrics drawn for context. */
  readonly watched: readonly string[];
  /** "mean of 48 heads", "head L3 H7". */
  readonly heads: string;
  readonly others: readonly OtherRun[];
}

const METRICS_HEADING = "Metrics of validation and training probes: raise no flag";
const STABILITY_HEADING = "Stability of training: not about overfitting";
const CONTEXT_HEADING = "Context: raises no flag";
const ROLES: Readonly<Record<string, LineRole>> = { val: "val", train: "train" };

/** A recorded series laid along the steps on screen; they differ while a new step arrives. */
function along(
  steps: readonly StepEntry[],
  own: readonly number[],
  values: OverSteps | null,
): number[] {
  const at = new Map(own.map((step, index) => [step, index]));
  return steps.map(({ step }) => numberOf(values?.[at.get(step) ?? -1]));
}

/** Numbers of another run at the steps of this one; between two of its steps on a straight line. */
export function resampled(
  steps: readonly StepEntry[],
  own: readonly number[],
  values: OverSteps,
): number[] {
  const known = own.flatMap((step, at) => {
    const value = values[at] ?? null;
    return value === null ? [] : [{ step, value: numberOf(value) }];
  });
  return steps.map(({ step }) => {
    const after = known.find((point) => point.step >= step);
    const before = known.findLast((point) => point.step <= step);
    if (!after || !before) {
      return Number.NaN;
    }
    if (after === before) {
      return after.value;
    }
    const span = after.step - before.step;
    const share = (step - before.step) / span;
    return before.value + share * (after.value - before.value);
  });
}

function otherLosses({ steps, others }: SignalSources): OtherLine[] {
  return others.flatMap(({ name: run, colour, steps: entries, loss }) =>
    loss === null
      ? []
      : [
          {
            run,
            colour,
            dashed: false,
            values: resampled(
              steps,
              entries.map(({ step }) => step),
              entries.map(({ scalars }) => scalars[loss] ?? null),
            ),
          },
        ],
  );
}

function otherMetrics(metric: string, { steps, others }: SignalSources): OtherLine[] {
  return others.flatMap(({ name: run, colour, curves }) =>
    (["val", "train"] as const).flatMap((split) => {
      const mean = curves?.metrics[metric]?.[split]?.mean;
      return curves && mean
        ? [
            {
              run,
              colour,
              dashed: split === "train",
              values: resampled(steps, curves.steps, mean),
            },
          ]
        : [];
    }),
  );
}

const indexOf = (steps: readonly StepEntry[], step: number | null): number =>
  steps.findIndex((entry) => entry.step === step);

const epochAt = (steps: readonly StepEntry[], index: number): string =>
  `epoch ${steps[index]?.epoch ?? "–"}`;

function ring(
  steps: readonly StepEntry[],
  step: number | null,
  line: string,
  what: string,
  tone: Ring["tone"],
): Ring[] {
  const index = indexOf(steps, step);
  return index < 0 ? [] : [{ index, line, text: `${what}, ${epochAt(steps, index)}`, tone }];
}

function lossChart(losses: Losses, sources: SignalSources): Chart {
  const { steps, assessment } = sources;
  const own = assessment?.steps ?? [];
  const line = (name: string, role: LineRole, values: OverSteps, logged?: string): ChartLine => ({
    name,
    role,
    values: along(steps, own, values),
    nan: steps.map(({ scalars }) => logged !== undefined && scalars[logged] === null),
  });
  const flag = assessment && flagOf(assessment);
  const lines = [
    ...(losses.val_name === null ? [] : [line("validation", "val", losses.val, losses.val_name)]),
    ...(losses.train_name === null
      ? []
      : [line("training", "train", losses.train, losses.train_name)]),
    ...(losses.val_name === null ? [] : [line("smoothed", "trend", losses.smooth)]),
  ];
  const names = [losses.val_name, losses.train_name].filter((name) => name !== null);
  return {
    id: "loss",
    title: "Loss",
    unit: names.length > 1 ? `${names.join(" and ")}; shaded: the gap` : names.join(""),
    lines,
    others: otherLosses(sources),
    gap: names.length > 1,
    rings: [
      ...ring(steps, losses.best_step, "validation", "best validation", "best"),
      ...ring(steps, losses.rise_step, "smoothed", "3 % above its minimum", "rise"),
      ...ring(steps, flag && isRaised(flag) ? flag.fired : null, "validation", "signal", "warn"),
    ],
    ...(lines.length === 0 ? { empty: losses.sentence } : {}),
  };
}

const SHORT_NAMES: Readonly<Record<string, string>> = {
  val: "validation",
  train: "training",
  gap: "val − train",
  change: "val − train",
  median: "median head",
  lowest: "lowest head",
  peak: "largest head",
  drift: "mean of heads",
  separation: "all heads",
};

function signalLine(curve: SignalCurve, { steps, assessment }: SignalSources): ChartLine {
  const own = assessment?.steps ?? [];
  const { name, title, values, low, high } = curve;
  return {
    name: SHORT_NAMES[name] ?? title,
    role: ROLES[name] ?? "other",
    values: along(steps, own, values),
    ...(low && high ? { low: along(steps, own, low), high: along(steps, own, high) } : {}),
  };
}

const isSet = ({ name }: SignalCurve): boolean => name === "val" || name === "train";

/** The curve that is tested, or else everything that is not one set's own. */
function mainCurves({ curves, band }: Signal): readonly SignalCurve[] {
  const tested = curves.filter(({ name }) => name === band?.curve);
  return tested.length > 0 ? tested : curves.filter((curve) => !isSet(curve));
}

function signalChart(signal: Signal, sources: SignalSources): Chart {
  const { steps, assessment } = sources;
  const own = assessment?.steps ?? [];
  const curves = mainCurves(signal);
  const lines = curves.map((curve) => signalLine(curve, sources));
  const { band, threshold, p_values } = signal;
  const tested = curves.find(({ name }) => name === "change");
  const unit = [signal.unit, tested?.title, band && "hatched: by chance"].filter(Boolean);
  return {
    id: signal.name,
    title: signal.title,
    unit: unit.join("; "),
    lines,
    rings: ring(
      steps,
      isRaised(signal) ? signal.fired : null,
      lines[0]?.name ?? "",
      signal.kind === "alarm" ? "alarm" : "signal",
      "warn",
    ),
    ...(band
      ? { chance: { low: along(steps, own, band.low), high: along(steps, own, band.high) } }
      : {}),
    ...(p_values ? { p: along(steps, own, p_values) } : {}),
    ...(threshold === null ? {} : { levels: [{ value: threshold, text: "alarm from here" }] }),
    ...(lines.length === 0 ? { empty: signal.sentence } : {}),
  };
}

/** Both probe sets of a tested number, each with its interval. */
function setsChart(signal: Signal, sources: SignalSources): Chart {
  return {
    id: `${signal.name}/sets`,
    title: signal.title.split(",")[0] ?? signal.title,
    unit: signal.unit,
    lines: signal.curves.filter(isSet).map((curve) => signalLine(curve, sources)),
  };
}

/** A metric of validation and training sentences on the same axes, with the middle half of each. */
function metricChart(spec: MetricSpec, slot: number, sources: SignalSources): Chart {
  const { steps, curves, heads } = sources;
  const found = curves?.metrics[spec.name];
  const own = curves?.steps ?? [];
  const lines = (["val", "train"] as const).flatMap((split) => {
    const curve = found?.[split];
    return curve
      ? [
          {
            name: split === "val" ? "validation" : "training",
            role: split,
            values: along(steps, own, curve.mean),
            low: along(steps, own, curve.low),
            high: along(steps, own, curve.high),
          },
        ]
      : [];
  });
  const defined = lines.some(({ values }) => !values.every(Number.isNaN));
  return {
    id: `metric-${slot}`,
    slot,
    title: spec.title,
    unit: `${spec.unit}; ${heads}`,
    lines: defined ? lines : [],
    others: otherMetrics(spec.name, sources),
    ...(found && !defined ? { empty: "Not defined for this part of the model." } : {}),
  };
}

/** Topology that tells the probe sets apart, against the gap of the losses: a point per step. */
function againstGap(sources: SignalSources): readonly Chart[] {
  const { steps, assessment } = sources;
  const topology = assessment?.signals.find(({ name }) => name.startsWith("topology_separation"));
  const curve = topology?.curves[0];
  if (!assessment || !topology || !curve || assessment.losses.val_name === null) {
    return [];
  }
  const [val, train] = [assessment.losses.val, assessment.losses.train].map((values) =>
    along(steps, assessment.steps, values),
  );
  const across = steps.map((_, at) => (val?.[at] ?? Number.NaN) - (train?.[at] ?? Number.NaN));
  return across.some(Number.isFinite)
    ? [
        {
          id: "topology-against-gap",
          title: "Topology against the loss gap",
          unit: `${topology.unit}; across: validation − training loss`,
          lines: [signalLine(curve, sources)],
          across,
        },
      ]
    : [];
}

/** All rows of the view: the evidence, metrics of both sets, stability, and what stands around. */
export function signalGroups(sources: SignalSources): readonly ChartGroup[] {
  const { assessment, metrics, watched } = sources;
  const signals = assessment?.signals ?? [];
  const drawn = (test: (signal: Signal) => boolean): Chart[] =>
    signals.filter(test).map((signal) => signalChart(signal, sources));
  const chosen = watched.flatMap((name, slot) => {
    const spec = metrics.find((known) => known.name === name);
    return spec ? [metricChart(spec, slot, sources)] : [];
  });
  const evidence = assessment
    ? [lossChart(assessment.losses, sources), ...drawn(({ kind }) => kind === "flag")]
    : [];
  const sets = signals
    .filter(({ curves }) => curves.some(isSet))
    .map((signal) => setsChart(signal, sources));
  const context = drawn(
    ({ kind, panel }) => kind !== "flag" && (panel === "outputs" || panel === "context"),
  );
  const stability = drawn(({ panel }) => panel === "stability");
  const groups: ChartGroup[] = [
    { heading: null, size: "large", charts: evidence },
    { heading: METRICS_HEADING, size: "small", charts: chosen },
    { heading: STABILITY_HEADING, size: "small", charts: stability },
    {
      heading: CONTEXT_HEADING,
      size: "small",
      charts: [...sets, ...context, ...againstGap(sources)],
    },
  ];
  return groups.filter(({ charts }) => charts.length > 0);
}

/** What is drawn for context unless the user chose: entropy, topology if recorded, attention sink. */
export function defaultWatched(metrics: readonly MetricSpec[]): readonly string[] {
  const names = metrics.map(({ name }) => name);
  const topology = ["h1_life", "h1_total", "h0_mean"].filter((name) => names.includes(name));
  const shape = topology[0] ?? names.find((name) => /^h[012]_/.test(name));
  const wanted = ["row_entropy", shape ?? "confidence", "head_diversity"];
  const known = wanted.filter((name) => names.includes(name));
  return known.length > 0 ? known : names.slice(0, 3);
}
