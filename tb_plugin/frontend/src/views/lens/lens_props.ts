// What HeadLens is given and what it reports.
import type { Axis } from "../../core/axis";
import type { Elbow, Lens, LensCell, LensTable } from "../../core/headlens";
import type { Matrix } from "../../core/maps";
import type { PinnedToken } from "../../core/selection";
import type { Theme } from "../../scale/head_colours";

export interface LensProps {
  readonly width: number;
  readonly theme: Theme;
  readonly lens: Lens;
  readonly elbow: Elbow | null;
  readonly table: LensTable;
  readonly cell: LensCell;
  /** The chosen value cluster. */
  readonly value: number;
  readonly words: "bars" | "cloud";
  /** The head's map of the shown sentence, and whether its axes are the same tokens. */
  readonly map: Matrix;
  readonly query: Axis;
  readonly key: Axis;
  readonly square: boolean;
  /** Framed in the map. */
  readonly pin: PinnedToken | null;
  readonly onCell: (cell: LensCell) => void;
  readonly onValue: (cluster: number) => void;
}
