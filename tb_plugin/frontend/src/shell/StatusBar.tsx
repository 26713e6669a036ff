import { computed } from "@preact/signals";
import { type Contrast, EVEN_LIMIT } from "../core/contrast";
import type { Layer } from "../core/recording";
import { evidenceLabel, proofLabel } from "../scale/format";
import { UNDEFINED } from "../scale/ramps";
import { offline } from "../state/connection";
import { evenMaps } from "../state/derived/even_maps";
import { reference } from "../state/reference";
import { part, recording, select, shown, view } from "../state/store";
import { DifferenceLegend, SCALE_TEXTS, ScaleLegend } from "./ScaleLegend";
import { theme } from "./theme";

/** What the whole part can claim: the weakest of its layers, and how many share it. */
function evidenceText(layers: readonly Layer[]): { text: string; detail: string; weak: boolean } {
  const order = ["unverified", "verified", "model"] as const;
  const weakest =
    order.find((kind) => layers.some(({ evidence }) => evidence === kind)) ?? "unverified";
  const concerned = layers.filter(({ evidence }) => evidence === weakest);
  const errors = concerned.flatMap(({ error }) => (error === null ? [] : [error]));
  const worst = errors.length > 0 ? Math.max(...errors) : null;
  const scope =
    concerned.length === layers.length ? "" : `${concerned.length} of ${layers.length} layers `;
  return {
    text: `${scope}${evidenceLabel(weakest, worst)}`,
    detail: layers
      .map(
        (layer, at) =>
          `Layer ${at + 1}, ${layer.name}: ${evidenceLabel(layer.evidence, layer.error)}`,
      )
      .join("\n"),
    weak: weakest === "unverified",
  };
}

const CONTRASTS: readonly { readonly value: Contrast; readonly text: string }[] = [
  { value: "fixed", text: "√, fixed 0–1" },
  { value: "even", text: `√, × even, 0–${EVEN_LIMIT}` },
  { value: "layer", text: "√, each layer its own" },
];

/** Whether a weight on screen is not a number: rows are so as a whole. */
const hasNaN = computed(() => {
  const { data, keys } = shown.value?.maps ?? { data: [], keys: 1 };
  for (let row = 0; row < data.length; row += keys) {
    if (Number.isNaN(data[row])) {
      return true;
    }
  }
  return false;
});

/** What the colours of the view mean. */
function Legend() {
  const [even] = evenMaps.value;
  // The graph draws no maps.
  const drawsMaps = view.value.tab === "network" || view.value.tab === "heads";
  const contrast = drawsMaps ? view.value.scale : "fixed";
  if (view.value.tab === "signals") {
    return (
      <span>
        Bands: half of the sentences, or 95 % of the mean (output) · hatched: 95 % by chance ·
        upright: A orange, B dashed, best validation green
      </span>
    );
  }
  if (view.value.compare === "diff" && reference.value) {
    return (
      <>
        <span>More in B</span>
        <DifferenceLegend />
      </>
    );
  }
  return (
    <>
      <label class="contrast" title={SCALE_TEXTS[contrast]}>
        Colours{" "}
        <select
          class="select"
          aria-label="What the colours of maps span"
          value={contrast}
          disabled={!drawsMaps}
          onChange={(event) => select({ scale: event.currentTarget.value as Contrast })}
        >
          {CONTRASTS.map(({ value, text }) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      </label>
      <ScaleLegend even={even ?? null} contrast={contrast} />
      {hasNaN.value && (
        <span class="nan-note">
          <i style={{ background: UNDEFINED[theme.value] }} /> NaN: not a number
        </span>
      )}
    </>
  );
}

/** Modules that ran, look like attention and have no maps: one line each, with the reason. */
const gaps = computed(() => {
  const noted = recording.value?.options.not_captured;
  return typeof noted === "string" ? noted.split("\n").filter((line) => line !== "") : [];
});

/** Layers that are missing from the picture, named. */
function Gaps() {
  const { length } = gaps.value;
  return length === 0 ? null : (
    <span class="evidence weak" title={gaps.value.join("\n")}>
      Not captured: {length === 1 ? "1 layer" : `${length} layers`}, {reasonOf(gaps.value)}
    </span>
  );
}

/** The reason that all share, as far as the first clause; else that there are several. */
function reasonOf(lines: readonly string[]): string {
  const reasons = new Set(lines.map((line) => line.replace(/^.*?\): /, "")));
  const [only = ""] = reasons;
  return reasons.size > 1 ? `${reasons.size} reasons` : (only.split(":")[0] ?? only);
}

const COMPARED =
  "Compared before and after each replay: parameters, buffers, optimizer, random state, batches " +
  "(of large tensors a sample, in every eighth replay all numbers).";

/** That recording left the training as it was. */
function Checked() {
  const found = recording.value?.untouched;
  const [first = "", ...more] = found?.sentences ?? [];
  return found ? (
    <span
      class={found.steps < found.of ? "evidence weak" : "evidence"}
      title={[COMPARED, ...more.map(capital)].join("\n")}
    >
      {capital(first)}
    </span>
  ) : null;
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

export function StatusBar() {
  const layers = part.value?.layers ?? [];
  const evidence = layers.length > 0 ? evidenceText(layers) : null;
  return (
    <footer class="status">
      <Legend />
      {offline.value && (
        <span class="evidence weak" role="status">
          TensorBoard does not answer; trying again
        </span>
      )}
      {evidence && !offline.value && (
        <span class={evidence.weak ? "evidence weak" : "evidence"} title={evidence.detail}>
          Weights: {evidence.text}
        </span>
      )}
      {!offline.value && <Gaps />}
      {part.value && !offline.value && (
        <span
          class={part.value.words === "position" ? "evidence weak" : "evidence"}
          title={`Which map is which sentence's: ${part.value.rows === "position" ? "by position, not proved" : proofLabel(part.value.rows)}`}
        >
          Words: {proofLabel(part.value.words)}
        </span>
      )}
      {!offline.value && <Checked />}
    </footer>
  );
}
