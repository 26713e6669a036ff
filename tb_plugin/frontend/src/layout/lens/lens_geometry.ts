// Where the parts of HeadLens stand. Rows of the table and of all feature panels share one pitch,
// so that a query cluster is found by going straight to the right.

export interface LensGeometry {
  readonly top: number;
  readonly pitch: number;
  readonly table: number;
  readonly queries: number;
  readonly keys: number;
  /** Null where values were not recorded. */
  readonly values: number | null;
  readonly words: number;
  readonly bar: number;
  readonly strip: number;
  readonly height: number;
  /** Tops and height of the word boxes. */
  readonly boxes: readonly number[];
  readonly boxHeight: number;
}

const TOP = 54;
const AREA = 230;
const MAP_WIDTH = 236;
const TABLE_LEFT = 24;
const WORDS_GAP = 40;
export const STRIP_GAP = 6;
const BOXES = 296;

interface Measures {
  readonly bar: number;
  readonly strip: number;
  readonly gap: number;
}

/** Three panels of features share the room of two. */
const MEASURES: Readonly<Record<"two" | "three", Readonly<Record<"wide" | "narrow", Measures>>>> = {
  two: { wide: { bar: 96, strip: 54, gap: 40 }, narrow: { bar: 76, strip: 40, gap: 40 } },
  three: { wide: { bar: 72, strip: 38, gap: 28 }, narrow: { bar: 56, strip: 28, gap: 22 } },
};

/** Positions for `clusters` rows in a drawer of this width. */
export function lensGeometry(clusters: number, width: number, hasValues: boolean): LensGeometry {
  const measures = MEASURES[hasValues ? "three" : "two"];
  const { bar, strip, gap } = measures[width > 1100 ? "wide" : "narrow"];
  const table = MAP_WIDTH + TABLE_LEFT;
  const feature = bar + STRIP_GAP + strip;
  const queries = table + AREA + 36;
  const keys = queries + feature + gap;
  const last = hasValues ? keys + feature + gap : keys;
  const count = hasValues ? 3 : 2;
  return {
    top: TOP,
    pitch: AREA / Math.max(1, clusters),
    table,
    queries,
    keys,
    values: hasValues ? last : null,
    words: last + feature + WORDS_GAP,
    bar,
    strip,
    height: TOP + AREA,
    boxes: Array.from({ length: count }, (_, at) => (at * BOXES) / count),
    boxHeight: BOXES / count,
  };
}

/** px from one tag of the legend to the next. */
export const TAG_PITCH = 58;

/** How many tags stand in a row of the legend, which ends where the words begin. */
export const tagColumns = ({ queries, words }: LensGeometry): number =>
  Math.max(3, Math.floor((words - queries - 8) / TAG_PITCH));

/** Whether "part of speech" has room above the bars; else the short word has. */
export const hasLongNotes = ({ bar }: LensGeometry): boolean => bar >= 72;

export interface Segment {
  readonly index: number;
  readonly x: number;
  readonly width: number;
}

/** A stacked bar: shares as consecutive segments, those of nothing left out. */
export function stackShares(shares: readonly number[], width: number): Segment[] {
  let x = 0;
  return shares.flatMap((share, index) => {
    const segment = { index, x, width: share * width };
    x += segment.width;
    return share > 0 ? [segment] : [];
  });
}

export interface LensEdges {
  readonly query: string;
  readonly key: string;
  /** Null without values. */
  readonly value: string | null;
}

/**
 * Edges from the cell to both rows and on to both word boxes (SANVis, HeadLens step 4). The query's
 * is solid and runs above the panels, the key's is dashed and runs below them: no bar is crossed.
 */
export function lensEdges(
  geometry: LensGeometry,
  cell: { readonly query: number; readonly key: number },
  value: number,
): LensEdges {
  const { top, pitch, table, queries, keys, values, words, bar, strip, height, boxes } = geometry;
  const feature = bar + STRIP_GAP + strip + 2;
  const row = (at: number): number => top + (at + 0.5) * pitch;
  const box = (at: number): number => (boxes[at] ?? 0) + 8;
  const right = table + (cell.key + 1) * pitch;
  const down = table + (cell.key + 0.5) * pitch;
  const under = height + 10;
  const end = words - 5;
  const toKeyBox =
    values === null
      ? `H${words - 18}V${box(1)}H${end}`
      : `H${keys + feature + 9}V${under}H${words - 18}V${box(1)}H${end}`;
  return {
    query: `M${right},${row(cell.query)}H${queries - 2}M${queries + feature},${row(cell.query)}H${queries + feature + 9}V-5H${words - 18}V${box(0)}H${end}`,
    key: `M${down},${row(cell.query) + pitch / 2}V${under}H${keys - 13}V${row(cell.key)}H${keys - 2}M${keys + feature},${row(cell.key)}${toKeyBox}`,
    value:
      values === null ? null : `M${values + feature},${row(value)}H${words - 26}V${box(2)}H${end}`,
  };
}
