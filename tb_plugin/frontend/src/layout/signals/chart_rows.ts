// Where the charts of the signals view lie: rows under headings, each row as wide as the window.

import type { Viewport } from "../network/columns";
import type { Box } from "./chart";

export interface ChartRows {
  readonly boxes: readonly (readonly Box[])[];
  /** y of each row's heading; null for rows without one. */
  readonly headings: readonly (number | null)[];
  readonly width: number;
  readonly height: number;
}

const NARROWEST = { large: 330, small: 230 };
const LOWEST = { large: 250, small: 188 };
const SHARE = { large: 0.5, small: 0.36 };
const MOST = { large: 2, small: 3 };
const HEADING = 26;
const GAP = 8;

export interface RowOfCharts {
  readonly heading: string | null;
  readonly size: "large" | "small";
  readonly count: number;
}

/** Rows fill the width; what does not fit beside wraps, what does not fit below scrolls. */
export function placeRows(rows: readonly RowOfCharts[], viewport: Viewport): ChartRows {
  const boxes: Box[][] = [];
  const headings: (number | null)[] = [];
  let y = 0;
  for (const { heading, size, count } of rows) {
    headings.push(heading === null ? null : y + GAP);
    y += heading === null ? 4 : HEADING;
    const fitting = Math.max(1, Math.floor(viewport.width / NARROWEST[size]));
    const across = Math.max(1, Math.min(MOST[size], fitting, count));
    const width = viewport.width / across;
    const height = Math.max(LOWEST[size], Math.round(SHARE[size] * viewport.height));
    boxes.push(
      Array.from({ length: count }, (_, at) => ({
        x: (at % across) * width,
        y: y + Math.floor(at / across) * height,
        width,
        height,
      })),
    );
    y += Math.ceil(count / across) * height + GAP;
  }
  return { boxes, headings, width: viewport.width, height: y };
}
