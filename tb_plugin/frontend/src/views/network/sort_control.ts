// By what a layer's heads are sorted: SANVis's three keys as buttons, every metric in a list.
import type { MetricSpec } from "../../core/recording";
import {
  BY_NUMBER,
  type HeadSort,
  isQuick,
  QUICK_SORTS,
  type SortValues,
  sortTitle,
} from "../../layout/network/head_sort";
import { html } from "../dom";
import { createSegments } from "../segments";

export interface SortControl {
  readonly root: HTMLElement;
  update(sort: HeadSort, values: SortValues | undefined, metrics: readonly MetricSpec[]): void;
}

export function createSortControl(layer: number, onSort: (sort: HeadSort) => void): SortControl {
  const quick = createSegments(
    `Sort heads of layer ${layer + 1} by`,
    QUICK_SORTS.map(({ sort, text, title }) => [sort, text, title] as const),
    onSort,
  );
  const list = html("select", { "aria-label": `Sort heads by, layer ${layer + 1}` });
  list.addEventListener("change", () => onSort(list.value));
  quick.root.append(list);
  let listed: readonly MetricSpec[] | null = null;

  return {
    root: quick.root,
    update(sort, values, metrics) {
      if (listed !== metrics) {
        listed = metrics;
        list.replaceChildren(
          html("option", { value: BY_NUMBER }, "Head number"),
          ...metrics.map(({ name, title }) => html("option", { value: name }, title)),
        );
      }
      for (const option of list.options) {
        option.disabled = problem(option.value, values, metrics) !== null;
      }
      list.value = sort;
      list.classList.toggle("chosen", !isQuick(sort));
      list.title = isQuick(sort) ? "Sort by any metric" : `Sorted by ${sortTitle(sort, metrics)}`;
      quick.update(
        sort,
        Object.fromEntries(
          QUICK_SORTS.flatMap((key) => {
            const reason = problem(key.sort, values, metrics);
            return reason === null ? [] : [[key.sort, reason]];
          }),
        ),
      );
    },
  };
}

/** Why heads cannot be sorted by a key here; null when they can. */
function problem(
  sort: HeadSort,
  values: SortValues | undefined,
  metrics: readonly MetricSpec[],
): string | null {
  if (sort === BY_NUMBER || values?.has(sort)) {
    return null;
  }
  return metrics.some(({ name }) => name === sort)
    ? `“${sort}” is not defined for this attention`
    : `This recording has no metric “${sort}”`;
}
