// The rectangle of a sentence's maps, and the layers, that a request should bring.
import { axesOf, coarseMarks, keptTokens, type Part, type Probe } from "./recording";
import {
  type LayerWindow,
  layerRange,
  mergeOf,
  type Range,
  sizeOf,
  type TokenWindow,
  tokenRange,
} from "./window";

export interface MapCut {
  readonly query: Range;
  readonly key: Range;
  readonly layers: Range;
  readonly merge: number;
}

export interface CutChoice {
  readonly tokens: TokenWindow | null;
  readonly depth: LayerWindow | null;
  /** The view draws some layers side by side; other views compare or join all of them. */
  readonly someLayers: boolean;
}

/** Weights that one reply may hold: 4 MB on the wire, 16 MB decoded. */
const MOST_WEIGHTS = 1 << 22;

/** What to fetch of a sentence: never more than a browser takes at once. */
export function cutOf(model: Part, sentence: Probe, choice: CutChoice): MapCut {
  const text = axesOf(model, sentence);
  const coarse = coarseMarks(model, sentence);
  const length = Math.max(text.query.text.length, text.key.text.length);
  // Coarse maps are of the whole text: there is nothing to choose.
  const tokens = coarse === null ? choice.tokens : { start: 0, length, merge: coarse };
  const query = tokenRange(tokens, keptTokens(sentence, text.query.text.length));
  const key = tokenRange(tokens, keptTokens(sentence, text.key.text.length));
  const merge = mergeOf(tokens);
  const heads = Math.max(1, ...model.layers.map((layer) => layer.heads));
  const perLayer = heads * Math.ceil(sizeOf(query) / merge) * Math.ceil(sizeOf(key) / merge);
  const most = Math.max(1, Math.floor(MOST_WEIGHTS / perLayer));
  const count = model.layers.length;
  const layers =
    choice.someLayers || most < count ? layerRange(choice.depth, count) : { start: 0, stop: count };
  const stop = Math.min(layers.stop, layers.start + most);
  return { query, key, merge, layers: { start: layers.start, stop } };
}

/** Whether a cut takes everything, so that the reply is the recording's own maps. */
export function isWhole(cut: MapCut, model: Part, sentence: Probe): boolean {
  const text = axesOf(model, sentence);
  return (
    cut.merge === 1 &&
    sizeOf(cut.query) === text.query.text.length &&
    sizeOf(cut.key) === text.key.text.length &&
    sizeOf(cut.layers) === model.layers.length
  );
}
