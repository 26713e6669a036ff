// Tokens that are patches stand where their patch is in the image; the others stand above it.
import type { PatchImage } from "../../core/recording";
import type { Place } from "./near_layout";

/** Half of the image's longer side, where the ring's radius is 1. */
const HALF = 0.7;
const ABOVE = 0.88;

/** Half of the image's height and width on a plane. */
export function pictureHalf({ rows, columns }: PatchImage): { y: number; z: number } {
  const longest = Math.max(rows, columns, 1);
  return { y: (HALF * rows) / longest, z: (HALF * columns) / longest };
}

/** The place of every mark; of several patches their middle. Left in the image is left as seen. */
export function picturePlaces(patches: readonly (readonly number[])[], image: PatchImage): Place[] {
  const half = pictureHalf(image);
  const others = patches.filter((own) => own.length === 0).length;
  let other = 0;
  return patches.map((own) => {
    if (own.length === 0) {
      other += 1;
      return { y: -ABOVE, z: 0.2 * ((others + 1) / 2 - other) };
    }
    const mean = (of: (patch: number) => number): number =>
      own.reduce((sum, patch) => sum + of(patch), 0) / own.length;
    const row = mean((patch) => Math.floor(patch / image.columns));
    const column = mean((patch) => patch % image.columns);
    return {
      y: half.y * ((2 * (row + 0.5)) / image.rows - 1),
      z: half.z * (1 - (2 * (column + 0.5)) / image.columns),
    };
  });
}
