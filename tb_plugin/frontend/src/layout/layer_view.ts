// How one layer of the network view is shown.
import type { LinkCut } from "./links";

export type LayerMode = "sankey" | "maps";
export type HeadSort = "head" | "entropy" | "position";

export interface LayerView {
  readonly mode: LayerMode;
  readonly cut: LinkCut;
  readonly sort: HeadSort;
}

/** The sort keys of SANVis and the metric each one reads. */
export const SORT_METRIC: Readonly<Record<Exclude<HeadSort, "head">, string>> = {
  entropy: "col_entropy",
  position: "offset",
};

const FIRST_CUT: LinkCut = { kind: "value", amount: 0.1 };

/** Links and maps by turns, so that a first look meets both. */
export function defaultLayerView(layer: number): LayerView {
  return { mode: layer % 2 === 0 ? "sankey" : "maps", cut: FIRST_CUT, sort: "head" };
}
