import type { Layer } from "../core/recording";
import { evidenceLabel } from "../scale/format";
import { offline } from "../state/connection";
import { evenMaps } from "../state/derived/even";
import { reference } from "../state/reference";
import { part, view } from "../state/store";
import { DifferenceLegend, ScaleLegend } from "./ScaleLegend";

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

/** What the colours of the view mean. */
function Legend() {
  const [even] = evenMaps.value;
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
      <span>Attention weight, √ scale, fixed 0–1</span>
      <ScaleLegend even={even ?? null} />
    </>
  );
}

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
    </footer>
  );
}
