// What the signals view is given and what it reports.
import type { MetricSpec, StepEntry } from "../../core/recording";
import type { Marks } from "../../core/selection";
import type { Viewport } from "../../layout/network/columns";
import type { ChartGroup } from "../../layout/signals/signal_charts";

export interface SignalsProps {
  readonly viewport: Viewport;
  readonly steps: readonly StepEntry[];
  readonly groups: readonly ChartGroup[];
  readonly marks: Marks;
  /** The metrics that can be chosen for the charts with a slot. */
  readonly metrics: readonly MetricSpec[];
  readonly watched: readonly string[];
  /** A step was chosen by its position among the recorded steps. */
  readonly onStep: (index: number) => void;
  readonly onMetric: (slot: number, name: string) => void;
}
