// How one layer of the network view is shown.

import type { LinkCut } from "../../core/selection";
import { BY_NUMBER, type HeadSort } from "./head_sort";
import { FIRST_PILE_DISTANCE } from "./pile_places";

export type LayerMode = "sankey" | "maps" | "piles";

export interface LayerView {
  readonly mode: LayerMode;
  readonly cut: LinkCut;
  readonly sort: HeadSort;
  /** The distance up to which heads are piled. */
  readonly pile: number;
}

/**
 * One and a half times even attention, which is the paper's 0.1 for a sentence of 15 tokens. A rule
 * and not a weight: it fits every sentence, so choosing a mode does not freeze this one's number.
 */
export const DEFAULT_CUT: LinkCut = { kind: "even", amount: 1.5 };

/** Links and maps by turns, so that a first look meets both. */
export const defaultLayerView = (layer: number): LayerView => ({
  mode: layer % 2 === 0 ? "sankey" : "maps",
  cut: DEFAULT_CUT,
  sort: BY_NUMBER,
  pile: FIRST_PILE_DISTANCE,
});
