import { computed } from "@preact/signals";
import { useMemo } from "preact/hooks";
import {
  type Contrast,
  changesArePale,
  EVEN_CHANGE,
  EVEN_LIMIT,
  PALE_CHANGE,
} from "../core/contrast";
import type { Maps } from "../core/maps";
import type { Layer } from "../core/recording";
import { evidenceLabel, proofLabel } from "../scale/format";
import { UNDEFINED } from "../scale/ramps";
import { offline } from "../state/connection";
import { evenMaps } from "../state/derived/even_maps";
import { reference } from "../state/reference";
import { part, recording, select, shown, view } from "../state/store";
import {
  changeScaleText,
  DifferenceLegend,
  drawsMaps,
  SCALE_TEXTS,
  ScaleLegend,
} from "./ScaleLegend";
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

const CONTRASTS: readonly {
  readonly value: Contrast;
  readonly text: string;
  readonly change: string;
}[] = [
  { value: "fixed", text: "√, fixed 0–1", change: "fixed ±0.5" },
  { value: "even", text: `√, × even, 0–${EVEN_LIMIT}`, change: `× even, ±${EVEN_CHANGE}` },
  { value: "layer", text: "√, each layer its own", change: "each layer its own" },
];

/** Whether a weight is not a number: rows are so as a whole. */
function hasNaN({ data, keys }: Maps): boolean {
  for (let row = 0; row < data.length; row += keys) {
    if (Number.isNaN(data[row])) {
      return true;
    }
  }
  return false;
}

/** What the colour of weights that are not numbers means, where one of these maps has some. */
function NaNNote({ where }: { readonly where: readonly (Maps | undefined)[] }) {
  const [a, b] = where;
  const seen = useMemo(() => [a, b].some((maps) => maps && hasNaN(maps)), [a, b]);
  return seen ? (
    <span class="nan-note">
      <i style={{ background: UNDEFINED[theme.value] }} /> NaN: not a number
    </span>
  ) : null;
}

/** Says that the maps of A − B are pale because little changed, and offers a scale that shows it. */
function PaleNote({ a, b }: { readonly a: Maps | undefined; readonly b: Maps }) {
  const pale = useMemo(() => a !== undefined && changesArePale(a, b), [a, b]);
  return pale ? (
    <span>
      Most queries changed by less than {PALE_CHANGE}:{" "}
      <button type="button" class="text-button linked" onClick={() => select({ scale: "layer" })}>
        each layer its own scale
      </button>
    </span>
  ) : null;
}

/** What the colours of the view mean. */
function Legend() {
  const [even] = evenMaps.value;
  // The graph draws no maps.
  const mapped = drawsMaps(view.value.tab);
  const contrast = mapped ? view.value.scale : "fixed";
  const b = view.value.compare === "diff" ? reference.value : null;
  if (view.value.tab === "signals") {
    return (
      <span>
        Bands: half of the sentences, or 95 % of the mean (output) · hatched: 95 % by chance ·
        upright: A orange, B dashed, best validation green
      </span>
    );
  }
  return (
    <>
      <label class="contrast" title={b ? changeScaleText(contrast) : SCALE_TEXTS[contrast]}>
        Colours{" "}
        <select
          class="select"
          aria-label="What the colours of maps span"
          value={contrast}
          disabled={!mapped}
          onChange={(event) => select({ scale: event.currentTarget.value as Contrast })}
        >
          {CONTRASTS.map(({ value, text, change }) => (
            <option key={value} value={value}>
              {b ? change : text}
            </option>
          ))}
        </select>
      </label>
      {b ? (
        <>
          <DifferenceLegend contrast={contrast} />
          {mapped && contrast === "fixed" && <PaleNote a={shown.value?.maps} b={b.maps} />}
        </>
      ) : (
        <ScaleLegend even={even ?? null} contrast={contrast} />
      )}
      <NaNNote where={[shown.value?.maps, b?.maps]} />
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
