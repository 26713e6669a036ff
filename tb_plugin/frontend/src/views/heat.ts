// One attention map on a canvas.
import { type Matrix, strongest } from "../core/maps";
import type { PinnedToken } from "../core/selection";
import type { Theme } from "../scale/head_colours";
import { type Ramp, undefinedPixel } from "../scale/ramps";

export interface HeatOptions {
  readonly width: number;
  readonly height: number;
  readonly ramp: Ramp;
  readonly theme: Theme;
  /** Draw the grey diagonal: rows and columns are the same tokens. */
  readonly diagonal: boolean;
  readonly framedQuery?: number | null;
  readonly framedKey?: number | null;
}

/** The frame of a pinned token: its row or its column. */
export const framed = (
  pin: PinnedToken | null,
): Required<Pick<HeatOptions, "framedQuery" | "framedKey">> => ({
  framedQuery: pin?.axis === "query" ? pin.index : null,
  framedKey: pin?.axis === "key" ? pin.index : null,
});

const SHARPEST = 3;
let scratch: HTMLCanvasElement | null = null;

/** One pixel per cell, to be scaled up: a putImageData costs less than a rectangle per cell. */
function paintCells(matrix: Matrix, ramp: Ramp, theme: Theme): HTMLCanvasElement | null {
  scratch ??= document.createElement("canvas");
  scratch.width = matrix.cols;
  scratch.height = matrix.rows;
  const context = scratch.getContext("2d", { willReadFrequently: true });
  if (!context) {
    return null;
  }
  const image = context.createImageData(matrix.cols, matrix.rows);
  const pixels = new Uint32Array(image.data.buffer);
  for (let cell = 0; cell < pixels.length; cell++) {
    const value = matrix.data[cell] ?? 0;
    pixels[cell] = Number.isNaN(value)
      ? undefinedPixel(theme)
      : (ramp.pixels[ramp.index(value)] ?? 0);
  }
  context.putImageData(image, 0, 0);
  return scratch;
}

export function drawHeat(canvas: HTMLCanvasElement, matrix: Matrix, options: HeatOptions): void {
  const { width, height, theme } = options;
  const sharpness = Math.min(SHARPEST, Math.max(2, window.devicePixelRatio));
  const pixelWidth = Math.round(width * sharpness);
  const pixelHeight = Math.round(height * sharpness);
  if (canvas.width !== pixelWidth || canvas.height !== pixelHeight) {
    canvas.width = pixelWidth;
    canvas.height = pixelHeight;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d");
  if (!context || matrix.rows === 0 || matrix.cols === 0) {
    return;
  }
  const pixels = Math.max(1, window.devicePixelRatio);
  const visible = strongest(matrix, Math.floor(height * pixels), Math.floor(width * pixels));
  const cells = paintCells(visible, options.ramp, theme);
  if (cells) {
    context.imageSmoothingEnabled = false;
    context.drawImage(cells, 0, 0, pixelWidth, pixelHeight);
  }
  if (options.diagonal) {
    context.strokeStyle = theme === "dark" ? "rgba(255,255,255,.30)" : "rgba(60,64,72,.34)";
    context.lineWidth = sharpness * 0.75;
    context.beginPath();
    context.moveTo(0, 0);
    context.lineTo(pixelWidth, pixelHeight);
    context.stroke();
  }
  frame(context, matrix, options, sharpness);
}

function frame(
  context: CanvasRenderingContext2D,
  matrix: Matrix,
  options: HeatOptions,
  sharpness: number,
): void {
  const { framedQuery = null, framedKey = null } = options;
  const { width: w, height: h } = context.canvas;
  context.strokeStyle = options.theme === "dark" ? "#f1f2f4" : "#1b1d21";
  context.lineWidth = sharpness * 1.25;
  const inset = context.lineWidth / 2;
  if (framedQuery !== null) {
    const y = (framedQuery * h) / matrix.rows;
    context.strokeRect(inset, y, w - 2 * inset, h / matrix.rows);
  }
  if (framedKey !== null) {
    const x = (framedKey * w) / matrix.cols;
    context.strokeRect(x, inset, w / matrix.cols, h - 2 * inset);
  }
}

export interface Cell {
  readonly query: number;
  readonly key: number;
}

/** The cell under a pointer event on the canvas, or null outside. */
export function cellAt(canvas: HTMLCanvasElement, matrix: Matrix, event: MouseEvent): Cell | null {
  const box = canvas.getBoundingClientRect();
  const query = Math.floor(((event.clientY - box.top) / box.height) * matrix.rows);
  const key = Math.floor(((event.clientX - box.left) / box.width) * matrix.cols);
  const inside = query >= 0 && query < matrix.rows && key >= 0 && key < matrix.cols;
  return inside ? { query, key } : null;
}
