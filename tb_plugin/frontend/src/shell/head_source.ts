// The maps that pictures of heads are made of, in the page's theme.
import { computed } from "@preact/signals";
import { picture } from "../state/derived/picture";
import { colourScales } from "../state/derived/scales";
import { alike, shown } from "../state/store";
import { theme } from "./theme";

const drawn = computed(picture);

export const headSource = computed(() => {
  const [seen, now] = [drawn.value, shown.value];
  return (
    seen &&
    now && {
      maps: seen.maps,
      reference: seen.reference,
      scales: colourScales.value,
      theme: theme.value,
      square: alike.value,
      label: seen.label,
    }
  );
});
