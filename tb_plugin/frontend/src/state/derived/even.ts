// What even attention would give between the marks on screen, one map per layer.
import { computed } from "@preact/signals";
import { evenMap, type Sight, sightOf } from "../../core/even";
import type { Matrix } from "../../core/maps";
import { axesOf } from "../../core/recording";
import { axes, shown } from "../store";

/** How far the queries of every layer may look. */
export const sights = computed<readonly Sight[]>(() => {
  const now = shown.value;
  return (now?.part.layers ?? []).map((_, layer) =>
    sightOf(now?.part ?? { kind: "self", causal: false }, now?.maps ?? null, layer),
  );
});

// By what it says: the same sights after another step are the same maps.
const sightsText = computed(() => sights.value.map(({ back, ahead }) => `${back} ${ahead}`).join());
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
    const name = `${sight.back} ${sight.ahead}`;
    const map = known.get(name) ?? evenMap(sight, marks.query, marks.key, keys);
    known.set(name, map);
    return map;
  });
});
