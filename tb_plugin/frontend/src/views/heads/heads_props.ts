// What the heads view is given and what it reports.
import type { Axis } from "../../core/axis";
import type { Curves, Series } from "../../core/maps";
import type { HeadId, MetricSpec, Part } from "../../core/recording";
import type { Marks, PinnedToken } from "../../core/selection";
import type { RankedHead } from "../../layout/heads/change";
import type { Reach } from "../../layout/heads/life_lines";
import type { Viewport } from "../../layout/network/columns";
import type { Theme } from "../../scale/head_colours";
import type { MapSource } from "./thumb";

export interface HeadsProps {
  readonly viewport: Viewport;
  readonly theme: Theme;
  readonly part: Part;
  readonly metric: MetricSpec;
  readonly metricIndex: number;
  readonly curves: readonly Curves[];
  /** The same head of other runs, in their colours. */
  readonly others: readonly OtherHeads[];
  /** B's metrics where B lies in another run. */
  readonly otherReference: OtherReference | null;
  /** What the y axes span: all that is possible, or what was seen over all steps. */
  readonly reach: Reach;
  readonly marks: Marks;
  /** Print the change from B instead of the value at A. */
  readonly compared: boolean;
  /** Whether a head has weights at A that are not numbers. */
  readonly isNaN: (head: HeadId) => boolean;
  readonly selected: HeadId | null;
  readonly onSelect: (head: HeadId | null) => void;
}

/** A metric of another run's heads, over its own steps. */
export interface OtherHeads {
  readonly name: string;
  readonly colour: string;
  readonly series: Series;
  readonly metric: number;
}

/** A metric of the heads of another run at one of its steps. */
export interface OtherReference {
  readonly series: Series;
  readonly metric: number;
  readonly step: number;
}

export interface RankingProps {
  readonly ranking: readonly RankedHead[];
  readonly selected: HeadId | null;
  readonly onSelect: (head: HeadId | null) => void;
}

/** The map of one head, large enough to read its cells. */
export interface FigureProps {
  readonly source: MapSource;
  readonly query: Axis;
  readonly key: Axis;
  readonly selected: HeadId;
  /** Framed in the map. */
  readonly pin: PinnedToken | null;
}
