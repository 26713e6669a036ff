import { otherRunName, referenceEntry } from "../state/reference";
import { best, entry } from "../state/store";
import type { Marks } from "../views/steps";

/** Where A, B and the best step lie among some steps. */
export function marksAmong(steps: readonly number[]): Marks {
  const at = (step: number | undefined): number => (step === undefined ? -1 : steps.indexOf(step));
  return {
    a: at(entry.value?.step),
    b: otherRunName.value === null ? at(referenceEntry.value?.step) : -1,
    best: at(best.value?.step),
  };
}
