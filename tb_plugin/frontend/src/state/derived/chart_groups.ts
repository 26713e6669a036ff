import { computed } from "@preact/signals";
import { readyValue } from "../../core/resource";
import { type ChartGroup, type OtherRun, signalGroups } from "../../layout/signals/signal_charts";
import { headLabel } from "../../scale/format";
import { runVariable } from "../../scale/runs";
import { meanOf } from "../../scale/text";
import { assessment, metricCurves, watched, watchedHead } from "../assessment";
import { overlay } from "../overlay";
import { part, recording, runs, steps } from "../store";

/** The other runs that are drawn, in TensorBoard's colours. */
export const otherRuns = computed<readonly OtherRun[]>(() => {
  const order = runs.value.map(({ name }) => name);
  return (readyValue(overlay.value) ?? []).map(({ run, curves }) => ({
    name: run.name,
    colour: runVariable(Math.max(0, order.indexOf(run.name))),
    steps: run.steps,
    loss: run.best?.name ?? null,
    curves,
  }));
});

/** The charts of the run that is shown: computed again for other numbers, not for another step. */
export const chartGroups = computed<readonly ChartGroup[]>(() => {
  const head = watchedHead.value;
  const heads = (part.value?.layers ?? []).reduce((all, layer) => all + layer.heads, 0);
  return signalGroups({
    steps: steps.value,
    assessment: readyValue(assessment.value),
    curves: readyValue(metricCurves.value),
    metrics: recording.value?.metrics ?? [],
    watched: watched.value,
    others: otherRuns.value,
    heads: head ? `head ${headLabel(head)}` : meanOf(heads),
  });
});
