// Small multiples: one map per head, as large as the panel allows.

export interface MapCell {
  readonly x: number;
  readonly y: number;
}

export interface MapGrid {
  readonly size: number;
  readonly columns: number;
  /** The place of the n-th map; y is the top of its label. */
  readonly cells: readonly MapCell[];
}

export const LABEL_HEIGHT = 16;
const GAP = 6;
const MARGIN = 8;
const SMALLEST = 14;
const LARGEST = 420;
const AIR = 22;

/** The grid with the largest square maps; fewer columns where two grids tie. */
export function mapGrid(count: number, width: number, height: number): MapGrid {
  let columns = 1;
  let size = 0;
  for (let tried = 1; tried <= Math.max(1, count); tried++) {
    const fits = sizeWith(tried, count, width, height);
    if (fits > size) {
      columns = tried;
      size = fits;
    }
  }
  size = Math.max(SMALLEST, size);
  const rows = Math.max(1, Math.ceil(count / columns));
  const pitch = Math.min(height / rows, size + LABEL_HEIGHT + AIR);
  const left = (width - columns * size - (columns - 1) * GAP) / 2;
  const cells = Array.from({ length: count }, (_, index) => ({
    x: Math.round(left + (index % columns) * (size + GAP)),
    y: Math.round(Math.floor(index / columns) * pitch),
  }));
  return { size, columns, cells };
}

function sizeWith(columns: number, count: number, width: number, height: number): number {
  const rows = Math.ceil(count / columns);
  const across = (width - 2 * MARGIN - (columns - 1) * GAP) / columns;
  const down = height / rows - LABEL_HEIGHT - 4;
  return Math.floor(Math.min(across, down, LARGEST));
}
