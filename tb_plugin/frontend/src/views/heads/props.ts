// What the heads view is given and what it reports.
import type { Axis } from "../../core/axis";
import type { Curves, Maps } from "../../core/maps";
import type { HeadId, MetricSpec, Part } from "../../core/recording";
import type { Marks, PinnedToken } from "../../core/selection";
import type { RankedHead } from "../../layout/heads/change";
import type { Reach } from "../../layout/heads/life_lines";
import type { Viewport } from "../../layout/network/columns";
import type { Theme } from "../../scale/heads";

export interface HeadsProps {
  readonly viewport: Viewport;
  readonly theme: Theme;
  readonly part: Part;
  readonly metric: MetricSpec;
  readonly metricIndex: number;
  readonly curves: readonly Curves[];
  /** What the y axes span: all that is possible, or what was seen over all steps. */
  readonly reach: Reach;
  readonly marks: Marks;
  readonly selected: HeadId | null;
  readonly onSelect: (head: HeadId | null) => void;
}

export interface RankingProps {
  readonly theme: Theme;
  readonly part: Part;
  readonly query: Axis;
  readonly key: Axis;
  readonly maps: Maps;
  readonly reference: Maps | null;
  readonly label: string;
  readonly ranking: readonly RankedHead[];
  readonly selected: HeadId | null;
  /** Framed in the selected head's map. */
  readonly pin: PinnedToken | null;
  readonly onSelect: (head: HeadId | null) => void;
}
