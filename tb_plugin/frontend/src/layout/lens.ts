// Where the parts of HeadLens stand. Rows of the table and of both feature panels share one pitch,
// so that a query cluster is found by going straight to the right.

export interface LensGeometry {
  readonly top: number;
  readonly pitch: number;
  readonly table: number;
  readonly queries: number;
  readonly keys: number;
  readonly words: number;
  readonly bar: number;
  readonly strip: number;
  readonly height: number;
}

const TOP = 54;
const AREA = 230;
const MAP_WIDTH = 236;
const TABLE_LEFT = 24;
const GAP = 40;
const STRIP_GAP = 6;
const BAR = { narrow: 76, wide: 96 };
const STRIP = { narrow: 40, wide: 54 };

/** Positions for `clusters` rows in a drawer of this width. */
export function lensGeometry(clusters: number, width: number): LensGeometry {
  const size = width > 1100 ? "wide" : "narrow";
  const pitch = AREA / Math.max(1, clusters);
  const table = MAP_WIDTH + TABLE_LEFT;
  const feature = BAR[size] + STRIP_GAP + STRIP[size];
  const queries = table + AREA + GAP;
  const keys = queries + feature + GAP;
  return {
    top: TOP,
    pitch,
    table,
    queries,
    keys,
    words: keys + feature + GAP,
    bar: BAR[size],
    strip: STRIP[size],
    height: TOP + AREA,
  };
}

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

/** Solid edge: from the cell to its query row. Dashed: below everything to its key row. */
export function lensEdges(
  geometry: LensGeometry,
  cell: { readonly query: number; readonly key: number },
): { readonly query: string; readonly key: string } {
  const { top, pitch, table, queries, keys, height } = geometry;
  const y = top + (cell.query + 0.5) * pitch;
  const x = table + (cell.key + 1) * pitch;
  const down = table + (cell.key + 0.5) * pitch;
  const under = height + 10;
  const keyRow = top + (cell.key + 0.5) * pitch;
  return {
    query: `M${x},${y}H${queries - 2}`,
    key: `M${down},${y + pitch / 2}V${under}H${keys - 14}V${keyRow}H${keys - 2}`,
  };
}
