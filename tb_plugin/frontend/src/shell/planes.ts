import { computed } from "@preact/signals";
import { graphPlane, joinHeads, type Plane } from "../layout/graph_planes";
import { axes, shown, view } from "../state/store";
import { graphRule } from "../state/view_state";
import { picture } from "./picture";

// A turned camera makes a new settings object; the rule itself is compared by what it says.
const ruleText = computed(() => JSON.stringify(graphRule(view.value.graph)));

const drawn = computed(picture);

/** The planes of what is shown: computed again for other maps or another rule, not for a camera. */
export const planes = computed<readonly Plane[]>(() => {
  const part = shown.value?.part;
  const axis = axes.value?.key;
  const shownNow = drawn.value;
  if (ruleText.value === "" || part?.kind !== "self" || !axis || !shownNow) {
    return [];
  }
  const rule = graphRule(view.peek().graph);
  const { maps, reference } = shownNow;
  return part.layers.map(({ heads }, layer) =>
    graphPlane(
      joinHeads(maps, layer, heads, rule.head),
      reference && joinHeads(reference, layer, heads, rule.head),
      axis,
      rule,
    ),
  );
});
