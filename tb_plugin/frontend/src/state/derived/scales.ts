// What the colours of every layer's maps span, for all views that draw maps.
import { computed } from "@preact/signals";
import { type ColourScale, layerTop } from "../../core/contrast";
import { holdsLayer } from "../../core/maps";
import { shown, view } from "../store";
import { evenMaps } from "./even_maps";
import { picture } from "./picture";

const drawn = computed(picture);

/** One scale per layer; the strongest weight of a layer is sought only where it is needed. */
export const colourScales = computed<readonly ColourScale[]>(() => {
  const { scale: contrast } = view.value;
  const maps = drawn.value?.maps;
  return evenMaps.value.map((even, layer) => {
    const heads = shown.value?.part.layers[layer]?.heads ?? 0;
    const top =
      contrast === "layer" && maps && holdsLayer(maps, layer) ? layerTop(maps, layer, heads) : 1;
    return { contrast, even, top };
  });
});
