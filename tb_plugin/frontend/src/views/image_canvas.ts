// The recorded image as a canvas of its own pixels.
import type { PatchImage } from "../core/recording";
import { html } from "./dom";

const made = new WeakMap<PatchImage, HTMLCanvasElement>();

export function imageCanvas(image: PatchImage): HTMLCanvasElement {
  const known = made.get(image);
  if (known) {
    return known;
  }
  const [width, height] = [image.columns * image.side, image.rows * image.side];
  const canvas = html("canvas", { width, height });
  const context = canvas.getContext("2d");
  if (context) {
    const bytes = Uint8Array.from(atob(image.pixels), (letter) => letter.charCodeAt(0));
    const pixels = context.createImageData(width, height);
    for (let at = 0; at < width * height; at++) {
      const from = at * image.channels;
      const channel = (offset: number): number =>
        bytes[from + (image.channels === 3 ? offset : 0)] ?? 0;
      pixels.data.set([channel(0), channel(1), channel(2), 255], 4 * at);
    }
    context.putImageData(pixels, 0, 0);
  }
  made.set(image, canvas);
  return canvas;
}
