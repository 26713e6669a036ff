// How one layer of the network view is shown.

import type { LinkCut } from "../../core/selection";
import { BY_NUMBER, type HeadSort } from "./head_sort";
import { cutSlider } from "./link_cut";
import { FIRST_PILE_DISTANCE } from "./piles";

export type LayerMode = "sankey" | "maps" | "piles";

export interface LayerView {
  readonly mode: LayerMode;
  readonly cut: LinkCut;
  readonly sort: HeadSort;
  /** The distance up to which heads are piled. */
  readonly pile: number;
}

/** Above this many keys a weight threshold keeps either nothing or a thicket. */
const LONG = 40;

/**
 * The first rule: one and a half times uniform attention, which is the paper's 0.1 for a sentence
 * of 15 tokens; for long sentences the strongest links, two per token.
 */
export function defaultCut(keys: number): LinkCut {
  const kind = keys > LONG ? "count" : "value";
  return { kind, amount: cutSlider(kind, keys, keys).start };
}

/** Links and maps by turns, so that a first look meets both. */
export function defaultLayerView(layer: number, keys: number): LayerView {
  return {
    mode: layer % 2 === 0 ? "sankey" : "maps",
    cut: defaultCut(keys),
    sort: BY_NUMBER,
    pile: FIRST_PILE_DISTANCE,
  };
}
