// What the network view is given and what it reports.
import type { Axis } from "../../core/axis";
import {
  type ColourScale,
  type Contrast,
  changeOnScale,
  layerTop,
  onScale,
} from "../../core/contrast";
import type { Maps, Matrix } from "../../core/maps";
import type { HeadId, MetricSpec, Part, PileTree } from "../../core/recording";
import type { HeldHead, PinnedToken } from "../../core/selection";
import type { Range } from "../../core/window";
import type { NetworkGeometry, Viewport } from "../../layout/network/columns";
import type { SortValues } from "../../layout/network/head_sort";
import type { LayerView } from "../../layout/network/layer_view";
import type { Theme } from "../../scale/head_colours";

export interface NetworkProps {
  readonly viewport: Viewport;
  /** Show the whole sentence at once, however low its rows get. */
  readonly fit: boolean;
  readonly theme: Theme;
  readonly part: Part;
  readonly query: Axis;
  readonly key: Axis;
  /** Even attention of every layer, over the marks of both axes. */
  readonly even: readonly Matrix[];
  /** The layers that are drawn. */
  readonly range: Range;
  readonly maps: Maps;
  /** The step that is subtracted, or null when one step is shown as it is. */
  readonly reference: Maps | null;
  readonly label: string;
  /** What the colours of maps span. */
  readonly contrast: Contrast;
  readonly layers: readonly LayerView[];
  /** Every metric of the recording, and its values of every layer: what heads are sorted by. */
  readonly metrics: readonly MetricSpec[];
  readonly sorts: readonly SortValues[];
  /** How heads merge, one tree per layer; null until the comparison is here. */
  readonly piles: readonly PileTree[] | null;
  /** Why they are not to be had; null while nothing is wrong. */
  readonly pilesProblem: string | null;
  /** The trees of B, after whose piles those on screen are named; null while they are not here. */
  readonly pilesOfB: readonly PileTree[] | null;
  /** Steps follow by themselves: the page must be able to answer while they are drawn. */
  readonly playing: boolean;
  readonly lock: HeldHead | null;
  readonly pin: PinnedToken | null;
  readonly onLayer: (layer: number, patch: Partial<LayerView>) => void;
  /** HeadLens has something to show at this step. */
  readonly lens: boolean;
  readonly onLens: (head: HeadId) => void;
  readonly onLock: (lock: HeldHead | null) => void;
  readonly onPin: (pin: PinnedToken | null) => void;
  /** All layers in sight show these props. */
  readonly onDrawn: () => void;
}

/** Props and the positions that follow from them. */
export interface NetworkFrame {
  readonly props: NetworkProps;
  readonly geometry: NetworkGeometry;
  /** The word under the pointer. */
  readonly hovered: PinnedToken | null;
}

export const headsOf = (props: NetworkProps, layer: number): number =>
  props.part.layers[layer]?.heads ?? props.maps.heads;

/** Even attention of a layer; nothing anywhere where it is not known. */
export const evenOf = ({ even, query, key }: NetworkProps, layer: number): Matrix =>
  even[layer] ?? {
    data: new Float32Array(query.length * key.length),
    rows: query.length,
    cols: key.length,
  };

const tops = new WeakMap<Maps, Map<number, number>>();

/** What of a map, or of its change, its colours say. */
export const coloured = (map: Matrix, props: NetworkProps, layer: number): Matrix =>
  (props.reference ? changeOnScale : onScale)(map, scaleOf(props, layer));

/** The scale of a layer's colours; the same for every map of it. */
function scaleOf(props: NetworkProps, layer: number): ColourScale {
  const known = tops.get(props.maps) ?? new Map<number, number>();
  tops.set(props.maps, known);
  const top =
    props.contrast === "layer"
      ? (known.get(layer) ?? layerTop(props.maps, layer, headsOf(props, layer)))
      : 1;
  if (props.contrast === "layer") {
    known.set(layer, top);
  }
  return { contrast: props.contrast, even: evenOf(props, layer), top };
}

/** Rows and columns are the same tokens: a diagonal means something. */
export const isSquare = ({ part, query, key }: NetworkProps): boolean =>
  part.kind === "self" &&
  query.length === key.length &&
  query.every(({ text }, at) => text === key[at]?.text);
