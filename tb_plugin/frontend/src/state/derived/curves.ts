import type { Curves } from "../../core/maps";
import { readyValue } from "../../core/resource";
import { series, splitSeries } from "../series";
import { view } from "../store";

/** The curves asked for: this sentence, or the means over validation and training probes. */
export function curves(): Curves[] {
  if (view.value.curves === "sentence") {
    const own = readyValue(series.value);
    return own ? [{ name: "this sentence", series: own, dashed: false }] : [];
  }
  const { val, train } = readyValue(splitSeries.value) ?? { val: null, train: null };
  return [
    ...(val ? [{ name: "validation mean", series: val, dashed: false }] : []),
    ...(train ? [{ name: "training mean", series: train, dashed: true }] : []),
  ];
}
