// Where the patches of an image lie among the tokens.
import type { Axis } from "./axis";
import type { PatchImage, Tokens } from "./recording";

/** Position of a token's patch in reading order; −1 for special tokens. */
export function patchNumbers({ text, special }: Tokens): Int32Array {
  const apart = new Set(special);
  let patch = 0;
  return Int32Array.from(text, (_, position) => (apart.has(position) ? -1 : patch++));
}

/** The patches of every mark of an axis; none for special tokens such as [CLS] and registers. */
export function patchesOf(axis: Axis, tokens: Tokens): readonly (readonly number[])[] {
  const numbers = patchNumbers(tokens);
  return axis.map(({ members }) =>
    members.map((position) => numbers[position] ?? -1).filter((patch) => patch >= 0),
  );
}

/** Brightness of every pixel, 0 to 1, in reading order. */
export function brightness({ pixels, channels, rows, columns, side }: PatchImage): Float32Array {
  const bytes = Uint8Array.from(atob(pixels), (letter) => letter.charCodeAt(0));
  const byte = (at: number): number => bytes[at] ?? 0;
  return Float32Array.from({ length: rows * columns * side * side }, (_, pixel) =>
    channels === 3
      ? (0.299 * byte(3 * pixel) + 0.587 * byte(3 * pixel + 1) + 0.114 * byte(3 * pixel + 2)) / 255
      : byte(pixel) / 255,
  );
}
