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

/**
 * The first threshold: one and a half times uniform attention, which is the paper's 0.1 for a
 * sentence of 15 tokens and still shows something for one of 60.
 */
export function defaultCut(keys: number): LinkCut {
  const digits = keys > FINE_KEYS ? 1000 : 100;
  return {
    kind: "value",
    amount: Math.max(1, Math.round((1.5 / Math.max(1, keys)) * digits)) / digits,
  };
}

/** Above this many keys weights are so small that the threshold moves in thousandths. */
export const FINE_KEYS = 100;

/** Links and maps by turns, so that a first look meets both. */
export function defaultLayerView(layer: number, keys: number): LayerView {
  return { mode: layer % 2 === 0 ? "sankey" : "maps", cut: defaultCut(keys), sort: "head" };
}
