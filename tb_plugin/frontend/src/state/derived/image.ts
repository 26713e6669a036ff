// The image whose patches the shown tokens are.
import { computed } from "@preact/signals";
import { patchesOf } from "../../core/patch_grid";
import { axesOf, type PatchImage } from "../../core/recording";
import { tokenText } from "../../scale/text";
import { axes, shown } from "../store";

/** Null for words, and where source and target differ. */
export const shownImage = computed<PatchImage | null>(() => {
  const now = shown.value;
  return now && now.part.kind === "self" ? (axesOf(now.part, now.probe).key.image ?? null) : null;
});

export interface ImageLayout {
  /** The patches of every mark on screen. */
  readonly places: readonly (readonly number[])[];
  /** The marks that are no patches: [CLS], registers. */
  readonly special: readonly { readonly index: number; readonly name: string }[];
}

export const imageLayout = computed<ImageLayout | null>(() => {
  const [now, marks] = [shown.value, axes.value];
  if (!now || !marks || !shownImage.value) {
    return null;
  }
  const places = patchesOf(marks.key, axesOf(now.part, now.probe).key);
  const special = marks.key.flatMap(({ text }, index) =>
    places[index]?.length === 0 ? [{ index, name: tokenText(text) }] : [],
  );
  return { places, special };
});
