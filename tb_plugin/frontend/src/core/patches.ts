// Thumbnails of the patches a vision model reads, as addresses of pictures that hold their own data.
import type { PatchImage, Tokens } from "./recording";

const HEADER = 54;

/** A window of an image: its upper left corner and its size, in pixels. */
interface Window {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** One picture per token; null for special tokens, and for all tokens of a text. */
export function thumbnails(tokens: Tokens): readonly (string | null)[] {
  const { image } = tokens;
  if (!image) {
    return tokens.text.map(() => null);
  }
  const pixels = bytesOf(image.pixels);
  const special = new Set(tokens.special);
  let patch = 0;
  return tokens.text.map((_, position) => {
    if (special.has(position)) {
      return null;
    }
    const left = (patch % image.columns) * image.side;
    const top = Math.floor(patch / image.columns) * image.side;
    patch += 1;
    return bitmap(image, pixels, { left, top, width: image.side, height: image.side });
  });
}

/** The whole image. */
export function wholeImage(image: PatchImage): string {
  const width = image.columns * image.side;
  const height = image.rows * image.side;
  return bitmap(image, bytesOf(image.pixels), { left: 0, top: 0, width, height });
}

const bytesOf = (base64: string): Uint8Array =>
  Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

/** A Windows bitmap of 24 bits per pixel: a header and the bytes, which every browser reads. */
function bitmap(image: PatchImage, pixels: Uint8Array, window: Window): string {
  const { width, height, left, top } = window;
  const stride = Math.ceil((3 * width) / 4) * 4;
  const file = new Uint8Array(HEADER + stride * height);
  const header = new DataView(file.buffer);
  file.set([0x42, 0x4d]); // "BM"
  header.setUint32(2, file.length, true);
  header.setUint32(10, HEADER, true);
  header.setUint32(14, 40, true);
  header.setInt32(18, width, true);
  header.setInt32(22, -height, true); // negative: the first row is the top one
  header.setUint16(26, 1, true);
  header.setUint16(28, 24, true);
  const across = image.columns * image.side;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = ((top + y) * across + left + x) * image.channels;
      const to = HEADER + y * stride + 3 * x;
      for (let channel = 0; channel < 3; channel++) {
        // Bitmaps hold blue first; a grey image has one channel for all three.
        file[to + 2 - channel] = pixels[from + (image.channels === 3 ? channel : 0)] ?? 0;
      }
    }
  }
  const letters = Array.from(file, (byte) => String.fromCharCode(byte));
  return `data:image/bmp;base64,${btoa(letters.join(""))}`;
}
