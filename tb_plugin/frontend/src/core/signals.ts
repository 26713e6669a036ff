// What a run can be said to show, exactly as the server sends it (tb_plugin/http_api.md).
import type { Told } from "./recording";

/** One number per recorded step; null where there is none. */
export type OverSteps = readonly (Told | null)[];

/** A number summed up over sentences: their mean, and quartiles around it. */
export interface SentenceCurve {
  readonly sentences: number;
  readonly mean: OverSteps;
  readonly low: OverSteps;
  readonly high: OverSteps;
}

/** Metrics of validation and training sentences: of all heads, or of one. */
export interface MetricCurves {
  readonly part: string;
  readonly layer: number | null;
  readonly head: number | null;
  readonly steps: readonly number[];
  readonly metrics: Readonly<
    Record<string, { readonly val: SentenceCurve | null; readonly train: SentenceCurve | null }>
  >;
}

export interface SignalCurve {
  readonly name: string;
  readonly title: string;
  readonly values: OverSteps;
  /** Edges of the 95 % interval over sentences; null where none is drawn. */
  readonly low: OverSteps | null;
  readonly high: OverSteps | null;
}

export type SignalKind = "flag" | "support" | "descriptive" | "alarm" | "warning";
export type SignalPanel = "outputs" | "context" | "stability" | "probes";
export type SignalState = "fired" | "quiet" | "unreliable" | "no_train_probes" | "not_recorded";

/** One thing that was looked at; see `attn_monitor.signals.findings.Signal`. */
export interface Signal {
  readonly name: string;
  readonly title: string;
  readonly unit: string;
  readonly kind: SignalKind;
  readonly panel: SignalPanel;
  readonly curves: readonly SignalCurve[];
  /** Where 95 % of the values of a curve lie if it does not matter which set a probe is from. */
  readonly band: {
    readonly curve: string;
    readonly low: OverSteps;
    readonly high: OverSteps;
  } | null;
  readonly p_values: OverSteps | null;
  readonly threshold: number | null;
  /** The recorded step at which the rule was first met; null if it was not. */
  readonly fired: number | null;
  /** Why a rule that was met is not shown as fired; empty otherwise. */
  readonly suppressed: string;
  readonly value: number | null;
  readonly p: number | null;
  readonly n_val: number;
  readonly n_train: number;
  readonly sentence: string;
  readonly trust: string;
}

export interface Losses {
  readonly train_name: string | null;
  readonly val_name: string | null;
  readonly train: OverSteps;
  readonly val: OverSteps;
  readonly smooth: OverSteps;
  /** Step of the lowest validation loss. */
  readonly best_step: number | null;
  /** From this step on the smoothed loss stays more than 3 % above its minimum. */
  readonly rise_step: number | null;
  readonly sentence: string;
}

/** Whether any output depends on a token that it must not read. */
export interface MaskAudit {
  /** null where nothing says which tokens may read which. */
  readonly holds: boolean | null;
  readonly pairs: number;
  readonly leaks: number;
  readonly sentences: readonly string[];
  readonly trust: string;
}

/** How the scores of a part grow on training batches; steps are those of the readings. */
export interface Growth {
  readonly part: string;
  readonly head: string;
  readonly limit: number;
  readonly steps: readonly number[];
  readonly score: OverSteps;
  readonly forecast: {
    readonly rate: number | null;
    readonly at: number | null;
    readonly earliest: number | null;
    readonly latest: number | null;
  } | null;
  readonly fired: number | null;
  readonly sentence: string;
}

export interface Assessment {
  readonly steps: readonly number[];
  readonly epochs: readonly number[];
  readonly losses: Losses;
  readonly signals: readonly Signal[];
  readonly state: SignalState;
  readonly headline: string;
  readonly mask?: MaskAudit | null;
  readonly growth?: readonly Growth[];
  readonly growth_trust?: string;
}

/** The signal that alone may say that memorisation is likely. */
export const flagOf = (found: Assessment): Signal | null =>
  found.signals.find(({ kind }) => kind === "flag") ?? null;

/** Whether a signal's rule was met and counts. */
export const isRaised = ({ fired, suppressed }: Signal): boolean =>
  fired !== null && suppressed === "";
