import { useMemo, useRef } from "preact/hooks";
import { type Series, seriesValue } from "../core/maps";
import type { Part, Run } from "../core/recording";
import { readyValue } from "../core/resource";
import { SORT_METRIC } from "../layout/layer_view";
import { stepLabel } from "../scale/format";
import {
  axes,
  layerViews,
  maps,
  part,
  recording,
  select,
  series,
  shown,
  view,
} from "../state/store";
import { createNetwork } from "../views/network/network";
import type { SortValues } from "../views/network/props";
import { setLayer } from "./actions";
import { theme } from "./theme";
import { useSize } from "./useSize";
import { ViewHost } from "./ViewHost";

/** The sort values of every layer at one recorded step; null where the recording has none. */
function sortValues(run: Run, model: Part, values: Series | null, step: number): SortValues[] {
  const at = values?.steps.indexOf(step) ?? -1;
  const column = (name: string, layer: number, heads: number): number[] | null => {
    const metric = run.metrics.findIndex((spec) => spec.name === name);
    if (!values || at < 0 || metric < 0) {
      return null;
    }
    const all = Array.from({ length: heads }, (_, head) =>
      seriesValue(values, at, layer, head, metric),
    );
    return all.every(Number.isNaN) ? null : all;
  };
  return model.layers.map(({ heads }, layer) => ({
    entropy: column(SORT_METRIC.entropy, layer, heads),
    position: column(SORT_METRIC.position, layer, heads),
  }));
}

/** Puts the state into the network view's props. */
export function NetworkView() {
  const root = useRef<HTMLElement>(null);
  const viewport = useSize(root);
  const run = recording.value;
  const model = part.value;
  const loaded = shown.value;
  const step = loaded?.entry.step ?? -1;
  const metrics = readyValue(series.value);
  const sorts = useMemo(
    () => (run && model ? sortValues(run, model, metrics, step) : []),
    [run, model, metrics, step],
  );
  const ready = viewport && model && loaded && maps.value && axes.value;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
    <section class="view" ref={root} tabIndex={0} aria-label="Network view">
      {ready && maps.value && axes.value && (
        <ViewHost
          create={createNetwork}
          props={{
            viewport,
            theme: theme.value,
            part: model,
            query: axes.value.query,
            key: axes.value.key,
            maps: maps.value,
            reference: null,
            label: stepLabel(loaded.entry),
            layers: layerViews.value,
            sorts,
            lock: view.value.lock,
            pin: view.value.pin,
            onLayer: setLayer,
            onLock: (lock) => select({ lock }),
            onPin: (pin) => select({ pin }),
          }}
        />
      )}
    </section>
  );
}
