import { computed } from "@preact/signals";
import { readyValue } from "../../core/resource";
import { type ChartGroup, signalGroups } from "../../layout/signals/signal_charts";
import { headLabel } from "../../scale/format";
import { meanOf } from "../../scale/text";
import { assessment, metricCurves, watched, watchedHead } from "../signals";
import { part, recording, steps } from "../store";

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
    heads: head ? `head ${headLabel(head)}` : meanOf(heads),
  });
});
