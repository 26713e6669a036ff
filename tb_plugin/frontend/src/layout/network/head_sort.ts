// By what the heads of a layer are put in order: their number, or any metric of the recording.
import { compareNumbers } from "../../core/order";
import type { MetricSpec } from "../../core/recording";

/** The name of a metric, or {@link BY_NUMBER}. */
export type HeadSort = string;

export const BY_NUMBER: HeadSort = "#";

export interface QuickSort {
  readonly sort: HeadSort;
  readonly text: string;
  readonly title: string;
  /** Its letter in the address. */
  readonly code: string;
}

/** The three sort keys of SANVis (section 4.2), one click away; all metrics are in a list. */
export const QUICK_SORTS: readonly QuickSort[] = [
  { sort: BY_NUMBER, text: "Head", title: "By number", code: "h" },
  {
    sort: "col_entropy",
    text: "Entropy",
    title: "By how evenly keys are attended to: heads that all look at one word come first",
    code: "e",
  },
  {
    sort: "lean",
    text: "Position",
    title: "By where queries look, on average: previous words first, next words last",
    code: "p",
  },
];

export const isQuick = (sort: HeadSort): boolean =>
  QUICK_SORTS.some((quick) => quick.sort === sort);

/** How a sort key is called on screen. */
export function sortTitle(sort: HeadSort, metrics: readonly MetricSpec[]): string {
  const quick = QUICK_SORTS.find((known) => known.sort === sort);
  return quick?.text ?? metrics.find(({ name }) => name === sort)?.title ?? sort;
}

/** The values of one layer by metric, one per head; metrics undefined there are absent. */
export type SortValues = ReadonlyMap<string, readonly number[]>;

/** The heads of a layer in the order of a sort key; by number where it has no values. */
export function sortedHeads(
  heads: number,
  sort: HeadSort,
  values: SortValues | undefined,
  metrics: readonly MetricSpec[],
): number[] {
  const column = values?.get(sort)?.slice(0, heads);
  const descending = metrics.find(({ name }) => name === sort)?.direction === "descending";
  const value = (head: number): number => column?.[head] ?? Number.NaN;
  return Array.from({ length: heads }, (_, head) => head).sort(
    (a, b) => compareNumbers(value(a), value(b), descending) || a - b,
  );
}
