import { computed } from "@preact/signals";
import {
  type GraphRule,
  graphPlane,
  type Plane,
  strongestHeads,
} from "../../layout/graph/graph_planes";
import type { Sentence } from "../../layout/graph/graph_rings";
import { groupSize, joinEven, joinLayers, layerGroups } from "../../layout/graph/layer_groups";
import { nearPlaces, type Place } from "../../layout/graph/near_layout";
import { picturePlaces } from "../../layout/graph/picture_places";
import { ringPlaces } from "../../layout/graph/projection";
import type { Edge } from "../../layout/graph/token_graph";
import { alike, axes, shown, view } from "../store";
import { graphRule } from "../view_state";
import { evenMaps, sights } from "./even_maps";
import { imageLayout, shownImage } from "./image";
import { picture } from "./picture";

// A turned camera makes a new settings object; the rule itself is compared by what it says.
const ruleText = computed(() => JSON.stringify(graphRule(view.value.graph)));

const drawn = computed(picture);

/** The rule of the settings, for the part that is shown: two kinds of tokens have one direction. */
export const rule = computed<GraphRule>(() => {
  const chosen = JSON.parse(ruleText.value) as GraphRule;
  return shown.value && !alike.value ? { ...chosen, pair: "cross" } : chosen;
});

/** No query sees a key after itself, as recorded or as the maps give away. */
const causal = computed(
  () => sights.value.length > 0 && sights.value.every(({ ahead }) => ahead === 0),
);

export const sentence = computed<Sentence | null>(() =>
  axes.value && shown.value
    ? {
        ...axes.value,
        cross: !alike.value,
        sides: shown.value.part.kind === "cross" ? ["Source", "Target"] : ["Keys", "Queries"],
        causal: causal.value,
      }
    : null,
);

const headCounts = computed(() => (shown.value?.part.layers ?? []).map(({ heads }) => heads));

/** The planes of what is shown: computed again for other maps or another rule, not for a camera. */
export const planes = computed<readonly Plane[]>(() => {
  const [now, marks, seen] = [shown.value, axes.value, drawn.value];
  if (!now || !marks || !seen) {
    return [];
  }
  const { maps, reference } = seen;
  const { head, group } = rule.value;
  const size = groupSize(group, now.part.layers.length);
  return layerGroups(now.cut.layers, size).map((layers) =>
    graphPlane(
      {
        layers,
        map: joinLayers(maps, layers, headCounts.value, head),
        before: reference && joinLayers(reference, layers, headCounts.value, head),
        query: marks.query,
        key: marks.key,
        even: joinEven(evenMaps.value, layers),
        causal: causal.value,
      },
      rule.value,
    ),
  );
});

const near = computed(() => view.value.graph.near);

/** Where tokens lie without edges: on even rings, or where their patches are in the image. */
const homes = computed<readonly Place[]>(() => {
  const [image, found] = [shownImage.value, imageLayout.value];
  return image && found
    ? picturePlaces(found.places, image)
    : ringPlaces(axes.value?.key.length ?? 0);
});

/** Where tokens lie when strong pairs sit closer or tokens are patches; null on even rings. */
export const places = computed<readonly (readonly Place[])[] | null>(() => {
  if (sentence.value?.cross || !axes.value) {
    return null;
  }
  if (near.value) {
    return planes.value.map((plane) => nearPlaces(homes.value, plane.kept));
  }
  return shownImage.value ? planes.value.map(() => homes.value) : null;
});

const byHead = computed(() => view.value.graph.colour === "head");

/** The head that every kept edge owes most to, where colours tell heads apart. */
export const edgeHeads = computed<ReadonlyMap<Edge, number>>(() => {
  const seen = drawn.value;
  const { head } = rule.value;
  const found = new Map<Edge, number>();
  for (const plane of byHead.value && seen ? planes.value : []) {
    const strongest =
      seen && typeof head !== "number"
        ? strongestHeads(plane, seen.maps, headCounts.value)
        : new Map(plane.kept.map((edge) => [edge, Number(head)]));
    for (const [edge, most] of strongest) {
      found.set(edge, most);
    }
  }
  return found;
});
