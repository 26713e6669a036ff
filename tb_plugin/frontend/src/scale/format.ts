// How numbers and names are written, in one place.
import type { Evidence, HeadId, Proof, StepEntry } from "../core/recording";
import type { Fate, LinkCut } from "../core/selection";

const MINUS = "\u2212";
const THIN_SPACE = "\u202f";

const withMinus = (text: string): string => text.replace("-", MINUS);

/** What stands for a number without digits: infinity, or an en dash where the value is undefined. */
function withoutDigits(value: number): string {
  if (value === Number.POSITIVE_INFINITY) {
    return "∞";
  }
  return value === Number.NEGATIVE_INFINITY ? `${MINUS}∞` : "–";
}

/** 0.17, with a true minus sign; an en dash where the value is undefined. */
export function fixed(value: number, digits = 2): string {
  if (!Number.isFinite(value)) {
    return withoutDigits(value);
  }
  const text = value.toFixed(digits);
  return withMinus(Number(text) === 0 ? text.replace("-", "") : text);
}

/** A metric's value: two decimals where that says something, else its first digits: 0.003, 1234. */
export function metricValue(value: number, digits = 2): string {
  if (!Number.isFinite(value)) {
    return withoutDigits(value);
  }
  const size = Math.abs(value);
  if (size >= 100) {
    return withMinus(String(Number(value.toPrecision(4))));
  }
  const vanishes = size >= 1e-6 && size < 0.5 * 10 ** -digits;
  return vanishes ? withMinus(String(Number(value.toPrecision(1)))) : fixed(value, digits);
}

/** Three decimals, or two significant digits where those would say nothing: 0.145, 0.00036. */
export function smallNumber(value: number): string {
  const digits = value > 0 && value < 0.01 ? 1 - Math.floor(Math.log10(value)) : 3;
  return fixed(value, Math.min(12, digits));
}

/** +0.17 or −0.17. */
export function signed(value: number, digits = 2): string {
  const text = fixed(value, digits);
  return value > 0 && Number(value.toFixed(digits)) !== 0 ? `+${text}` : text;
}

/** +0.0031 or −0.0031, with two digits that say something. */
export function effectValue(value: number): string {
  if (!Number.isFinite(value)) {
    return signed(value);
  }
  const size = Math.abs(value);
  const text = size < 1e-7 ? "0" : smallNumber(size);
  return text === "0" ? text : `${value < 0 ? MINUS : "+"}${text}`;
}

/** What was worked out, as it is written: where that is undefined it was NaN. */
export const orNaN = (value: number, written: (value: number) => string): string =>
  Number.isNaN(value) ? "NaN" : written(value);

/** 65 %. */
export const percent = (share: number): string => `${Math.round(100 * share)} %`;

/** The amount of a link rule: 0.10, 50 %, 30. */
export function cutLabel({ kind, amount }: LinkCut): string {
  if (kind === "value") {
    return fixed(amount, Number.isInteger(Math.round(amount * 1e4) / 100) ? 2 : 3);
  }
  if (kind === "even") {
    return fixed(amount, 1);
  }
  return kind === "mass" ? percent(amount) : String(amount);
}

const FATES: Readonly<Record<Fate, string>> = {
  born: "born: passes the cut in A only",
  lost: "lost: passed the cut in B only",
  kept: "kept: passes the cut in A and B",
};

/** What became of a link between B and A, in one phrase. */
export const fateText = (fate: Fate): string => FATES[fate];

/** 12 345 with thin spaces. */
export const thousands = (value: number): string =>
  String(value).replace(/\B(?=(\d{3})+(?!\d))/g, THIN_SPACE);

/** "epoch 3 · step 120". */
export const stepLabel = ({ epoch, step }: Pick<StepEntry, "epoch" | "step">): string =>
  `epoch ${epoch} · step ${thousands(step)}`;

/** "A − B, epoch 3 · step 120 against epoch 0 · step 0". */
export const changeLabel = (a: StepEntry, b: StepEntry): string =>
  `A ${MINUS} B, ${stepLabel(a)} against ${stepLabel(b)}`;

/** "L3 H7", counted from 1: the only place that adds the one. */
export const headLabel = ({ layer, head }: HeadId): string => `L${layer + 1} H${head + 1}`;

/** "Layer 3 · head 7". */
export const headTitle = ({ layer, head }: HeadId): string =>
  `Layer ${layer + 1} · head ${head + 1}`;

const PART_TITLES: Readonly<Record<string, string>> = {
  encoder: "Encoder",
  decoder: "Decoder",
  cross: "Enc–dec",
};

/** The name of a part on screen; other streams keep their module path. */
export function partTitle(name: string): string {
  const [, stream = name, text = ""] = /^(encoder|decoder|cross)( \(.*\))$/.exec(name) ?? [];
  return `${PART_TITLES[stream] ?? stream}${text}`;
}

const PROOFS: Readonly<Record<Proof, string>> = {
  seen: "followed from the batch",
  tried: "found by changing the batch",
  described: "as described",
  position: "not known, positions shown",
};

/** How the words along the axes are known, in one phrase. */
export const proofLabel = (proof: Proof | null | undefined): string =>
  proof ? PROOFS[proof] : "not recorded";

/** How far a layer's weights can be trusted, in one phrase. */
export function evidenceLabel(evidence: Evidence, error: number | null): string {
  if (evidence === "model") {
    return "model’s own tensor";
  }
  if (evidence === "verified") {
    if (error === null || error === 0) {
      return error === null ? "recomputed and verified" : "recomputed and verified, exact";
    }
    return `recomputed and verified, error ${scientific(error)}`;
  }
  return "unverified";
}

/** 1e−7. */
export function scientific(value: number): string {
  return value === 0 ? "0" : withMinus(value.toExponential(0));
}
