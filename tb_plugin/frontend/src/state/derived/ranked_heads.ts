// What the Heads view is made of: pictures of heads, and what changed between B and A.
import { computed } from "@preact/signals";
import { rankByChange } from "../../layout/heads/change";
import { type ListedHead, listedHeads, sortedList } from "../../layout/heads/head_list";
import { otherReference } from "../head_overlay";
import { referenceMaps } from "../reference";
import { maps, metric, shown, view } from "../store";
import { curves } from "./curves";
import { documents } from "./even_maps";
import { marksAmong } from "./marks";

const counts = computed(() => (shown.value?.part.layers ?? []).map(({ heads }) => heads));

/** All heads, the most changed between B and A first; empty while one of them is not here. */
export const ranking = computed(() => {
  const [a, b] = [maps.value, referenceMaps.value];
  return a && b && shown.value
    ? rankByChange(a, b, shown.value.part, counts.value, documents.value)
    : [];
});

const order = computed(() => view.value.heads.order);

/** All heads in the order of the list. */
export const headList = computed<readonly ListedHead[]>(() => {
  const series = curves()[0]?.series ?? null;
  const spec = metric.value;
  const { a, b } = marksAmong(series?.steps ?? []);
  const heads = listedHeads({
    headsPerLayer: counts.value,
    series,
    metric: spec ? (shown.value?.run.metrics.indexOf(spec) ?? -1) : -1,
    a,
    b,
    ranking: ranking.value,
    reference: otherReference.value,
  });
  return sortedList(heads, order.value);
});
