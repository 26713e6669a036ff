import { computed } from "@preact/signals";
import { readyValue } from "../../core/resource";
import type { Marks } from "../../core/selection";
import { flagOf, isRaised } from "../../core/signals";
import { assessment } from "../assessment";
import { allHeads, otherRunName, referenceEntry } from "../reference";
import { best, entry, steps } from "../store";

/** The step at which the flag was raised; else null. */
export const signalStep = computed<number | null>(() => {
  const found = readyValue(assessment.value);
  const flag = found && flagOf(found);
  return flag && isRaised(flag) ? flag.fired : null;
});

/** What the raised flag says; empty while none is. */
export const flagSentence = computed<string>(() => {
  const found = readyValue(assessment.value);
  const flag = found && flagOf(found);
  return flag && isRaised(flag) ? flag.sentence : "";
});

/** Positions of the steps that are marked on the slider: B, the best validation, a signal. */
export const markedSteps = computed<readonly number[]>(() => {
  const { b, best: lowest } = marksAmong(steps.value.map(({ step }) => step));
  const raised = steps.value.findIndex(({ step }) => step === signalStep.value);
  return [b, lowest, raised].filter((at) => at >= 0);
});

/** Where A, B and the best step lie among some steps. */
export function marksAmong(steps: readonly number[]): Marks {
  const at = (step: number | undefined): number => (step === undefined ? -1 : steps.indexOf(step));
  return {
    a: at(entry.value?.step),
    // In another run, or in another sentence, B has a series of its own.
    b: otherRunName.value === null && !allHeads.value ? at(referenceEntry.value?.step) : -1,
    best: at(best.value?.step),
  };
}
