import { useCallback, useMemo, useRef } from "preact/hooks";
import { type Series, seriesValue } from "../core/maps";
import type { HeadId, Part, PileTree, Run } from "../core/recording";
import { problemOf, readyValue } from "../core/resource";
import type { HeldHead, PinnedToken } from "../core/selection";
import type { SortValues } from "../layout/network/head_sort";
import { drawnNetwork, drawnOf } from "../state/derived/drawn";
import { evenMaps } from "../state/derived/even_maps";
import { picture } from "../state/derived/picture";
import { piles, referencePiles } from "../state/piles";
import { series } from "../state/series";
import { axes, entry, type LoadedMaps, layerViews, select, shown, view } from "../state/store";
import { openLens } from "../state/view_state";
import { createNetwork } from "../views/network/network";
import { playing, setLayer } from "./actions";
import { theme } from "./theme";
import { useSize } from "./useSize";
import { ViewHost } from "./ViewHost";

/** The values of every metric of every layer at one recorded step. */
function sortValues(run: Run, model: Part, values: Series | null, step: number): SortValues[] {
  const at = values?.steps.indexOf(step) ?? -1;
  return model.layers.map(({ heads }, layer) => {
    const columns = new Map<string, readonly number[]>();
    run.metrics.forEach(({ name }, metric) => {
      const column = Array.from({ length: heads }, (_, head) =>
        values && at >= 0 ? seriesValue(values, at, layer, head, metric) : Number.NaN,
      );
      if (!column.every(Number.isNaN)) {
        columns.set(name, column);
      }
    });
    return columns;
  });
}

/** The trees of the run and part that are shown, also those of the step before the next are here. */
function pileTrees({ run, part }: LoadedMaps): readonly PileTree[] | null {
  const loaded = readyValue(piles.value);
  return loaded?.run === run.name && loaded.part === part.name ? loaded.layers : null;
}

/** The trees of B where it is a step of a part with as many heads. */
function treesOfB({ part }: LoadedMaps): readonly PileTree[] | null {
  const found = readyValue(referencePiles.value);
  const alike =
    found?.part === part.name &&
    found.layers.length === part.layers.length &&
    found.layers.every(({ heads }, layer) => heads === part.layers[layer]?.heads);
  return found && alike ? found.layers : null;
}

// The same functions every time: props that are the same are not drawn again.
const onLens = (head: HeadId): void => select({ lens: openLens(head), lock: null });
const onLock = (lock: HeldHead | null): void => select({ lock });
const onPin = (pin: PinnedToken | null): void => select({ pin });

/** Puts the state into the network view's props. */
export function NetworkView() {
  const root = useRef<HTMLElement>(null);
  const viewport = useSize(root);
  const shownNow = shown.value;
  const drawn = picture();
  const step = drawn?.entry.step ?? -1;
  const metrics = readyValue(series.value);
  const sorts = useMemo(
    () => (shownNow ? sortValues(shownNow.run, shownNow.part, metrics, step) : []),
    [shownNow, metrics, step],
  );
  const onDrawn = useCallback(() => {
    drawnNetwork.value = drawnOf(shownNow);
  }, [shownNow]);
  const stale = entry.value?.maps === false;
  return (
    <section
      class={stale ? "view stale" : "view"}
      ref={root}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
      tabIndex={0}
      aria-label="Network view"
    >
      {viewport && shownNow && drawn && axes.value && (
        <ViewHost
          create={createNetwork}
          props={{
            viewport,
            fit: view.value.fit,
            theme: theme.value,
            part: shownNow.part,
            query: axes.value.query,
            key: axes.value.key,
            even: evenMaps.value,
            range: shownNow.cut.layers,
            maps: drawn.maps,
            reference: drawn.reference,
            label: drawn.label,
            contrast: view.value.scale,
            layers: layerViews.value,
            metrics: shownNow.run.metrics,
            sorts,
            piles: pileTrees(shownNow),
            pilesProblem: problemOf(piles.value),
            pilesOfB: treesOfB(shownNow),
            playing: playing.value,
            lock: view.value.lock,
            pin: view.value.pin,
            lens: shownNow.entry.vectors === true,
            onLens,
            onLayer: setLayer,
            onLock,
            onPin,
            onDrawn,
          }}
        />
      )}
    </section>
  );
}
