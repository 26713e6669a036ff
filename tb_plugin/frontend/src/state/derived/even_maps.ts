// What even attention would give between the marks on screen, one map per layer.
import { computed } from "@preact/signals";
import { evenMap, type Sight, sightOf } from "../../core/even";
import type { Matrix } from "../../core/maps";
import { axesOf } from "../../core/recording";
import { axes, shown } from "../store";

/** Where the documents of the shown row begin; absent for one. */
export const documents = computed(() => {
  const now = shown.value;
  return now ? axesOf(now.part, now.probe).query.documents : undefined;
});

/** How far the queries of every layer may look. */
export const sights = computed<readonly Sight[]>(() => {
  const now = shown.value;
  return (now?.part.layers ?? []).map((_, layer) =>
    sightOf(
      now?.part ?? { kind: "self", causal: false },
      now?.maps ?? null,
      layer,
      documents.value,
    ),
  );
});

// By what it says: the same sights after another step are the same maps.
const nameOf = ({ back, ahead, documents: apart }: Sight) => `${back} ${ahead} ${apart ?? ""}`;
const sightsText = computed(() => sights.value.map(nameOf).join());
const keysOfText = computed(() =>
  shown.value ? axesOf(shown.value.part, shown.value.probe).key.text.length : 0,
);

/** Even attention of every layer, [query, key]; layers that see alike share one map. */
export const evenMaps = computed<readonly Matrix[]>(() => {
  const [marks, keys] = [axes.value, keysOfText.value];
  if (!marks || sightsText.value === "") {
    return [];
  }
  const known = new Map<string, Matrix>();
  return sights.peek().map((sight) => {
    const name = nameOf(sight);
    const map = known.get(name) ?? evenMap(sight, marks.query, marks.key, keys);
    known.set(name, map);
    return map;
  });
});
