import { isQuick, QUICK_SORTS } from "../layout/network/head_sort";
import type { LayerMode, LayerView } from "../layout/network/layer_view";
import { cutSlider } from "../layout/network/link_cut";
import { fixed } from "../scale/format";
import { layerViews, recording, select, view } from "../state/store";
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

/** How many times even attention the links of all layers start from, if they share that rule. */
const commonTimes = (layers: readonly LayerView[]): number | null =>
  common(layers.map(({ cut }) => (cut.kind === "even" ? cut.amount : null)));

/** Settings for all layers at once; a layer's own header changes that layer alone. */
export function NetworkTools() {
  const layers = layerViews.value;
  if (layers.length < 2) {
    return null;
  }
  const times = commonTimes(layers);
  const { min, max, step, start } = cutSlider("even", 0, 0);
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
          {QUICK_SORTS.map(({ sort: value, text, title }) => (
            <option key={value} value={value} title={title}>
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
      <label
        class="note"
        title="Links from this many times even attention on; 8 at least, 150 at most in a layer"
      >
        Links ≥{" "}
        <input
          type="range"
          min={min}
          max={max}
          step={step}
          aria-label="Link threshold of all layers"
          aria-valuetext={times === null ? "mixed" : `${fixed(times, 1)} times even attention`}
          value={times ?? start}
          onInput={(event) =>
            setLayer("all", { cut: { kind: "even", amount: event.currentTarget.valueAsNumber } })
          }
        />{" "}
        {times === null ? "mixed" : `${fixed(times, 1)} × even`}
      </label>
      <label class="note" title="All words of the sentence at once, however low their rows get">
        <input
          type="checkbox"
          checked={view.value.fit}
          onChange={(event) => select({ fit: event.currentTarget.checked })}
        />{" "}
        Fit height
      </label>
    </div>
  );
}
