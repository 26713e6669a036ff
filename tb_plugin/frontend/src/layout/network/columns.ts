// Where the network view's columns, panels and rows lie. Nothing here depends on the step.

import { type Range, sizeOf } from "../../core/window";

export interface Viewport {
  readonly width: number;
  readonly height: number;
}

/** One column of tokens. `layer` says whose bars it carries; null for the last column. */
export interface TokenColumn {
  readonly id: string;
  readonly axis: "query" | "key";
  readonly layer: number | null;
  /** The layer whose queries these tokens are, for columns without bars. */
  readonly after: number | null;
  readonly x: number;
}

/** The space between two token columns that shows one layer. */
export interface Panel {
  readonly layer: number;
  readonly x: number;
  readonly headerX: number;
  readonly headerWidth: number;
}

export interface NetworkGeometry {
  readonly width: number;
  readonly height: number;
  readonly bodyTop: number;
  readonly bodyHeight: number;
  /** Height of the body inside the window: maps are laid out in it and stay in sight. */
  readonly visibleHeight: number;
  readonly tokenWidth: number;
  readonly panelWidth: number;
  /** px between two rows. */
  readonly rowGap: number;
  readonly queryRow: number;
  readonly keyRow: number;
  readonly columns: readonly TokenColumn[];
  /** One per layer of the model; those outside of the drawn range lie beside the picture. */
  readonly panels: readonly Panel[];
}

export interface NetworkShape {
  readonly layers: number;
  readonly queries: number;
  readonly keys: number;
  /** Encoder-decoder attention: source and target are different words, so no column is shared. */
  readonly cross: boolean;
  /** Show the whole sentence at once, however low its rows get. */
  readonly fit?: boolean;
  /** The layers drawn, of all `layers`; absent means all. */
  readonly range?: Range;
}

export const HEADER_HEIGHT = 78;
/** px between two rows; less where rows are so low that it would be most of them. */
const ROW_GAP = 5;
const LOW_ROW = 24;
const PADDING = 14;
const ROW_MINIMUM = 32;
/** Rows become as low as this before a sentence has to be scrolled. */
const ROW_SMALLEST = 20;
/** And as low as this where all of a sentence is asked for at once. */
const ROW_FITTED = 8;
/** Three words must not be drawn as three posters, but five fill the window. */
const ROW_MAXIMUM = 120;
const PANEL_MINIMUM = { self: 104, cross: 70 };
/** From so many words on, maps need more pixels to tell a word from the one before it. */
const MANY_WORDS = 48;
const PANEL_OF_MANY = 140;
/** And a few less where that brings the last layer into the window. */
const PANEL_SQUEEZED = 118;
const PAIR_GAP = 8;
const TOP_GAP = 8;
const BOTTOM_GAP = 6;
const WIDE = 1100;

const tokenWidthOf = (width: number, cross: boolean): number => {
  const wide = width > WIDE;
  if (cross) {
    return wide ? 52 : 46;
  }
  return wide ? 62 : 56;
};

/** Readable rows where they fill the window; else low ones that fit it; else rows to scroll. */
function rowHeight(fitting: number, fit: boolean): number {
  const least = fit ? ROW_FITTED : fitting >= ROW_SMALLEST ? ROW_SMALLEST : ROW_MINIMUM;
  return Math.min(ROW_MAXIMUM, Math.max(least, fitting));
}

/** All positions of the network view for a window of this size. */
export function networkGeometry(shape: NetworkShape, viewport: Viewport): NetworkGeometry {
  const { queries, keys, cross } = shape;
  const range = shape.range ?? { start: 0, stop: shape.layers };
  const layers = sizeOf(range);
  const tokenWidth = tokenWidthOf(viewport.width, cross);
  const fixed = cross
    ? 2 * PADDING + PAIR_GAP * (layers - 1) + 2 * layers * tokenWidth
    : 2 * PADDING + (layers + 1) * tokenWidth;
  const fitting = (viewport.width - fixed) / Math.max(1, layers);
  const many = Math.max(queries, keys) >= MANY_WORDS && fitting < PANEL_SQUEEZED;
  const panelWidth = Math.max(
    many ? PANEL_OF_MANY : PANEL_MINIMUM[cross ? "cross" : "self"],
    fitting,
  );
  const visibleHeight = Math.max(
    ROW_MINIMUM * 4,
    viewport.height - HEADER_HEIGHT - TOP_GAP - BOTTOM_GAP,
  );
  const longest = Math.max(1, queries, keys);
  const row = rowHeight(visibleHeight / longest, shape.fit ?? false);
  const bodyHeight = longest * row;
  const pitch = tokenWidth + panelWidth + (cross ? tokenWidth + PAIR_GAP : 0);
  const start = (layer: number): number => PADDING + (layer - range.start) * pitch;
  return {
    width: fixed + layers * panelWidth,
    height: HEADER_HEIGHT + TOP_GAP + Math.max(bodyHeight, visibleHeight) + BOTTOM_GAP,
    bodyTop: HEADER_HEIGHT + TOP_GAP,
    bodyHeight,
    visibleHeight,
    tokenWidth,
    panelWidth,
    rowGap: row < LOW_ROW ? 1 : ROW_GAP,
    queryRow: bodyHeight / Math.max(1, queries),
    keyRow: bodyHeight / Math.max(1, keys),
    columns: cross
      ? pairColumns(range, start, tokenWidth + panelWidth)
      : sharedColumns(range, start),
    panels: Array.from({ length: shape.layers }, (_, layer) => ({
      layer,
      x: start(layer) + tokenWidth,
      headerX: cross ? start(layer) : start(layer) + tokenWidth / 2,
      headerWidth: panelWidth + (cross ? 2 : 1) * tokenWidth,
    })),
  };
}

/** Self-attention: tokens before every layer and once after the last. */
function sharedColumns(range: Range, start: (layer: number) => number): TokenColumn[] {
  return Array.from({ length: sizeOf(range) + 1 }, (_, at) => {
    const layer = range.start + at;
    const inside = layer < range.stop;
    return {
      id: `c${layer}`,
      axis: inside ? "key" : "query",
      layer: inside ? layer : null,
      after: inside ? null : layer - 1,
      x: start(layer),
    };
  });
}

/** Encoder-decoder attention: source (keys) left and target (queries) right of every panel. */
function pairColumns(
  range: Range,
  start: (layer: number) => number,
  offset: number,
): TokenColumn[] {
  return Array.from({ length: sizeOf(range) }, (_, at): TokenColumn[] => {
    const layer = range.start + at;
    return [
      { id: `k${layer}`, axis: "key", layer, after: null, x: start(layer) },
      { id: `q${layer}`, axis: "query", layer: null, after: layer, x: start(layer) + offset },
    ];
  }).flat();
}
