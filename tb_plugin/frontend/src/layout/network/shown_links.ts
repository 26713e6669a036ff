// How much of all attention the drawn links are, over all layers that are shown as links.
import type { Maps, Matrix } from "../../core/maps";
import type { Range } from "../../core/window";
import type { LayerView } from "./layer_view";
import { selectLinks } from "./links";
import { layerNumbers } from "./network_numbers";

export interface ShownLinks {
  readonly drawn: number;
  readonly total: number;
  /** Mean over the layers: share of the shown queries' attention that the drawn links carry. */
  readonly share: number;
}

/** Null where no layer is shown as links. */
export function shownLinks(
  maps: Maps,
  range: Range,
  heads: readonly number[],
  views: readonly LayerView[],
  even: readonly Matrix[],
): ShownLinks | null {
  let [drawn, total, share, layers] = [0, 0, 0, 0];
  for (let layer = range.start; layer < range.stop; layer++) {
    const view = views[layer];
    const uniform = even[layer];
    if (view?.mode === "sankey" && uniform) {
      const { mean } = layerNumbers(maps, layer, heads[layer] ?? maps.heads);
      const picked = selectLinks(mean, view.cut, uniform);
      drawn += picked.links.length;
      total += picked.total;
      share += picked.share;
      layers += 1;
    }
  }
  return layers > 0 ? { drawn, total, share: share / layers } : null;
}
