import { useRef } from "preact/hooks";
import { problemOf } from "../core/resource";
import { assessment, metricCurves, watched } from "../state/assessment";
import { chartGroups } from "../state/derived/chart_groups";
import { marksAmong } from "../state/derived/marks";
import { recording, select, steps } from "../state/store";
import { createSignalCharts } from "../views/signals/charts";
import { goToIndex } from "./actions";
import { Problem } from "./Problem";
import { SignalsSide } from "./SignalsSide";
import { useSize } from "./useSize";
import { ViewHost } from "./ViewHost";

function watch(slot: number, name: string): void {
  select({ watched: watched.peek().map((before, at) => (at === slot ? name : before)) });
}

function Charts() {
  const root = useRef<HTMLElement>(null);
  const viewport = useSize(root);
  const problems = [assessment.value, metricCurves.value]
    .map(problemOf)
    .filter((text) => text !== null);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
    <section class="view" ref={root} tabIndex={0} aria-label="Curves over all recorded steps">
      {problems.map((text) => (
        <Problem key={text} text={`Not all curves could be read. ${text}`} />
      ))}
      {viewport && (
        <ViewHost
          create={createSignalCharts}
          props={{
            viewport,
            steps: steps.value,
            groups: chartGroups.value,
            marks: marksAmong(steps.value.map(({ step }) => step)),
            metrics: recording.value?.metrics ?? [],
            watched: watched.value,
            onStep: goToIndex,
            onMetric: watch,
          }}
        />
      )}
    </section>
  );
}

/** What training and validation say over all steps, and what can be concluded from it. */
export function SignalsView() {
  return (
    <div class="signals-view">
      <Charts />
      <SignalsSide />
    </div>
  );
}
