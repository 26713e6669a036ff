import { isQuick, QUICK_SORTS } from "../layout/network/head_sort";
import type { LayerMode, LayerView } from "../layout/network/layer_view";
import { layerViews, recording } from "../state/store";
import { setLayer } from "./actions";
import { Segments } from "./Segments";

const MODES = [
  { value: "sankey", text: "Sankey" },
  { value: "maps", text: "Maps" },
  { value: "piles", text: "Piles" },
] as const;

/** The value all layers share, or null. */
function common<Value>(values: readonly Value[]): Value | null {
  const [first] = values;
  return first !== undefined && values.every((value) => value === first) ? first : null;
}

/** The weight all layers start their links from, if they share that rule. */
const commonWeight = (layers: readonly LayerView[]): number | null =>
  common(layers.map(({ cut }) => (cut.kind === "value" ? cut.amount : null)));

/** Settings for all layers at once; a layer's own header changes that layer alone. */
export function NetworkTools() {
  const layers = layerViews.value;
  if (layers.length < 2) {
    return null;
  }
  const sort = common(layers.map((layer) => layer.sort));
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset's legend cannot be laid out in a row
    <div class="tools" role="group" aria-label="All layers">
      <span class="note">All layers</span>
      <Segments<LayerMode>
        label="Show all layers as"
        variant="small"
        options={MODES}
        current={common(layers.map(({ mode }) => mode))}
        onChoose={(mode) => setLayer("all", { mode })}
      />
      <label class="note">
        Sort{" "}
        <select
          class="select sort-list"
          aria-label="Sort heads of all layers by"
          value={sort ?? ""}
          onChange={(event) => setLayer("all", { sort: event.currentTarget.value })}
        >
          {sort === null && <option value="">mixed</option>}
          {QUICK_SORTS.map(({ sort: value, text }) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
          {(recording.value?.metrics ?? [])
            .filter(({ name }) => !isQuick(name))
            .map(({ name, title }) => (
              <option key={name} value={name}>
                {title}
              </option>
            ))}
        </select>
      </label>
      <label class="note">
        Links ≥{" "}
        <input
          type="range"
          min={0}
          max={0.5}
          step={0.005}
          aria-label="Link threshold of all layers"
          value={commonWeight(layers) ?? 0.1}
          onInput={(event) =>
            setLayer("all", { cut: { kind: "value", amount: event.currentTarget.valueAsNumber } })
          }
        />
      </label>
    </div>
  );
}
