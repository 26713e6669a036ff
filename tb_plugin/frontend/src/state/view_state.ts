// Everything the user chose, in one object. The URL mirrors it; data are never in it.
import type { Contrast } from "../core/contrast";
import type { LensCell, LensTable } from "../core/headlens";
import type { HeadId } from "../core/recording";
import type { HeldHead, PinnedToken } from "../core/selection";
import type { LayerWindow, TokenWindow } from "../core/window";
import { type Camera, FIRST_CAMERA } from "../layout/graph/camera";
import type { EdgeColour } from "../layout/graph/edge_style";
import type { GraphRule } from "../layout/graph/graph_planes";
import { NORM_RANGE } from "../layout/graph/token_graph";
import type { ListOrder } from "../layout/heads/head_list";
import type { Reach } from "../layout/heads/life_lines";
import { defaultLayerView, type LayerView } from "../layout/network/layer_view";

/** One step as it is, or the change from B to A. */
export type Compare = "A" | "B" | "diff";

/** The views a tab can show, in their order, and what each is called. */
export const TABS = [
  { tab: "network", text: "Network" },
  { tab: "heads", text: "Heads" },
  { tab: "graph", text: "Graph" },
  { tab: "signals", text: "Signals" },
] as const;

export type Tab = (typeof TABS)[number]["tab"];

/** Life lines of the chosen sentence, or means over validation and training probes. */
export type CurveSource = "sentence" | "splits";

/** What the Heads view shows beside its ranking, and how. */
export interface HeadsState {
  readonly panel: "curves" | "maps" | "pictures" | "list" | "joint";
  /** What is listed beside it: heads that changed most, do the same, choose or write nothing, or can go. */
  readonly side: "change" | "pairs" | "idle" | "dormant" | "importance";
  /** By what the list of all heads is ordered. */
  readonly order: ListOrder;
  /** By what the points of the query–key map are coloured. */
  readonly points: "kind" | "tag";
  /** Change from which on a step starts a pile, 0 to 1. */
  readonly cut: number;
}

export const INITIAL_HEADS: HeadsState = {
  panel: "curves",
  side: "change",
  order: { key: "change", down: true },
  points: "kind",
  cut: 0.15,
};

/** How the graph view is set: which edges, which token, seen from where. */
export interface GraphState extends GraphRule {
  readonly colour: EdgeColour;
  /** Strong pairs sit closer. */
  readonly near: boolean;
  /** Draw the feed-forward blocks. */
  readonly feed: boolean;
  /** The class whose contributions are drawn; null for the likeliest. */
  readonly cls: number | null;
  readonly values: boolean;
  readonly node: { readonly layer: number; readonly token: number };
  readonly camera: Camera;
}

export const INITIAL_GRAPH: GraphState = {
  head: "mean",
  pair: "sum",
  norm: "uniform",
  least: NORM_RANGE.uniform.start,
  prune: "auto",
  group: null,
  words: true,
  colour: "weight",
  near: false,
  feed: false,
  cls: null,
  values: true,
  node: { layer: 0, token: 1 },
  camera: FIRST_CAMERA,
};

/** The part of the graph's settings that decides which edges there are. */
export const graphRule = ({
  head,
  pair,
  norm,
  prune,
  least,
  group,
  words,
}: GraphState): GraphRule => ({
  head,
  pair,
  norm,
  prune,
  least,
  group,
  words,
});

/** Frequent words as ranked bars, or as a cloud. */
export type LensWords = "bars" | "cloud";

/** The head that HeadLens is open for, and what of it is shown. */
export interface LensState extends HeadId {
  readonly clusters: number;
  readonly table: LensTable;
  /** Null means the strongest cell. */
  readonly cell: LensCell | null;
  /** Null means the value cluster that the chosen keys carry. */
  readonly value: number | null;
  readonly words: LensWords;
}

export const openLens = ({ layer, head }: HeadId): LensState => ({
  layer,
  head,
  clusters: 16,
  table: "products",
  cell: null,
  value: null,
  words: "bars",
});

/** A step of a named run. */
export interface PinnedStep {
  readonly run: string;
  readonly step: number;
}

export interface ViewState {
  readonly tab: Tab;
  /** Null until the user, the URL or the first recording decides. */
  readonly run: string | null;
  /** Names of other runs drawn over the shown one where curves are. */
  readonly runs: readonly string[];
  readonly part: string | null;
  readonly probe: number | null;
  /** The optimizer step shown as A; null means the newest. */
  readonly step: number | null;
  /** The step pinned as B; null means the first recorded one of the run that is shown. */
  readonly reference: PinnedStep | null;
  readonly compare: Compare;
  /** What the colours of maps span. */
  readonly scale: Contrast;
  readonly layers: ReadonlyMap<number, LayerView>;
  /** The stretch of a long text that is shown; null means all of a short one, the start of a long one. */
  readonly tokens: TokenWindow | null;
  /** The layers of a deep model that the network view shows. */
  readonly depth: LayerWindow | null;
  /** Show the whole sentence at once, however low its rows get. */
  readonly fit: boolean;
  readonly hideSpecial: boolean;
  readonly mergeWords: boolean;
  readonly filter: string;
  readonly lock: HeldHead | null;
  /** The metric of the life lines; null means the recording's first. */
  readonly metric: string | null;
  readonly curves: CurveSource;
  readonly reach: Reach;
  /** The metrics drawn for context in the signals view; null means the usual ones. */
  readonly watched: readonly string[] | null;
  readonly heads: HeadsState;
  readonly graph: GraphState;
  readonly lens: LensState | null;
  readonly pin: PinnedToken | null;
}

export const INITIAL: ViewState = {
  tab: "network",
  run: null,
  runs: [],
  part: null,
  probe: null,
  step: null,
  reference: null,
  compare: "A",
  scale: "fixed",
  layers: new Map(),
  tokens: null,
  depth: null,
  fit: false,
  hideSpecial: false,
  mergeWords: false,
  filter: "",
  lock: null,
  metric: null,
  curves: "sentence",
  reach: "seen",
  watched: null,
  heads: INITIAL_HEADS,
  graph: INITIAL_GRAPH,
  lens: null,
  pin: null,
};

/** How a layer is shown: as the user set it, else the default. */
export const layerView = ({ layers }: Pick<ViewState, "layers">, layer: number): LayerView =>
  layers.get(layer) ?? defaultLayerView(layer);

/** The layers' settings, of `count` layers, after changing one layer, or all of them. */
export function withLayer(
  state: ViewState,
  which: number | "all",
  count: number,
  patch: Partial<LayerView>,
): ReadonlyMap<number, LayerView> {
  const layers = new Map(state.layers);
  const targets = which === "all" ? Array.from({ length: count }, (_, layer) => layer) : [which];
  for (const layer of targets) {
    layers.set(layer, { ...layerView(state, layer), ...patch });
  }
  return layers;
}
