// Which step's maps are on screen: A's, B's, or the change between them.
import type { Maps } from "../../core/maps";
import type { StepEntry } from "../../core/recording";
import { changeLabel, stepLabel } from "../../scale/format";
import { reference, referenceMaps } from "../reference";
import { maps, shown, view } from "../store";

export interface Picture {
  readonly maps: Maps;
  readonly reference: Maps | null;
  readonly entry: StepEntry;
  readonly label: string;
}

/** What is compared: A, B, or the change between them while both are here. */
export function picture(): Picture | null {
  const [a, b] = [shown.value, reference.value];
  const [mapsA, mapsB] = [maps.value, referenceMaps.value];
  if (!a || !mapsA) {
    return null;
  }
  const { compare } = view.value;
  if (compare === "A" || !b || !mapsB) {
    return { maps: mapsA, reference: null, entry: a.entry, label: stepLabel(a.entry) };
  }
  const where = a.run.name === b.run.name ? "" : ` in ${b.run.name}`;
  return compare === "B"
    ? { maps: mapsB, reference: null, entry: b.entry, label: `${stepLabel(b.entry)}${where}` }
    : {
        maps: mapsA,
        reference: mapsB,
        entry: a.entry,
        label: changeLabel(a.entry, b.entry) + where,
      };
}
