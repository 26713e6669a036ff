// What the colours of attention span: always 0 to 1, times even attention, or what a layer reaches.
import type { Maps, Matrix } from "./maps";

export type Contrast = "fixed" | "even" | "layer";

/** In units of even attention: from here on colours are as strong as they get. */
export const EVEN_LIMIT = 8;
/** The same of a change, in either direction. */
export const EVEN_CHANGE = 4;
/** A change of a weight from here on is drawn as strongly as any. */
export const DIFFERENCE_LIMIT = 0.5;

/** A change of a weight up to here is pale on the fixed scale. */
export const PALE_CHANGE = 0.1;
const ROWS_APART = 3; // every third row tells enough of a whole part
const MOST_SEEN = 2 ** 19; // weights of a large one: four milliseconds at most
const MOST_PALE = 0.8;

/** Does hardly any query of the first maps give any key another weight than in the second? */
export function changesArePale(a: Maps, b: Maps): boolean {
  const rows = Math.min(a.data.length, b.data.length) / a.keys;
  // Odd, so that every query of an even number of them comes up.
  const apart =
    Math.max(ROWS_APART, Math.ceil(Math.min(a.data.length, b.data.length) / MOST_SEEN)) | 1;
  let [seen, pale] = [0, 0];
  for (let row = 0; row < rows; row += apart) {
    const change = visibleChange(a.data, b.data, row * a.keys, a.keys);
    seen += Number.isNaN(change) ? 0 : 1;
    pale += change < PALE_CHANGE ? 1 : 0;
  }
  return pale > MOST_PALE * seen;
}

/** A change of a row that is not pale, 0 without any; NaN of what is not a number, or looks nowhere. */
function visibleChange(a: Float32Array, b: Float32Array, start: number, keys: number): number {
  let weight = 0;
  for (let cell = start; cell < start + keys; cell++) {
    const [now, before] = [a[cell] ?? 0, b[cell] ?? 0];
    const change = Math.abs(now - before);
    if (!(change < PALE_CHANGE)) {
      return change;
    }
    weight += now + before;
  }
  return weight > 0 ? 0 : Number.NaN;
}

/** What a map's colours depend on beside its weights. */
export interface ColourScale {
  readonly contrast: Contrast;
  /** Even attention over the same marks. */
  readonly even: Matrix;
  /** The weight with the strongest colour where every layer has its own scale. */
  readonly top: number;
}

/** A map in units of its scale: 0 no attention, 1 the strongest colour. NaN stays NaN. */
export function onScale(map: Matrix, { contrast, even, top }: ColourScale): Matrix {
  if (contrast === "fixed") {
    return map;
  }
  const data = map.data.map((weight, cell) => {
    const unit = contrast === "even" ? EVEN_LIMIT * (even.data[cell] ?? 0) : top;
    return unit > 0 ? Math.min(1, weight / unit) : weight;
  });
  return { ...map, data };
}

/**
 * The change of a map in units of its scale: ±DIFFERENCE_LIMIT is the strongest colour. NaN stays
 * NaN.
 */
export function changeOnScale(change: Matrix, { contrast, even, top }: ColourScale): Matrix {
  if (contrast === "fixed") {
    return change;
  }
  const data = change.data.map((weight, cell) => {
    const unit = contrast === "even" ? EVEN_CHANGE * (even.data[cell] ?? 0) : top;
    return unit > 0 ? (DIFFERENCE_LIMIT * weight) / unit : weight;
  });
  return { ...change, data };
}

/** What a typical query gives to its strongest key, the median over a layer; 1 where there is none. */
export function layerTop(maps: Maps, layer: number, heads: number): number {
  const { queries, keys } = maps;
  const start = (layer - (maps.from?.layer ?? 0)) * maps.heads * queries * keys;
  const strongest = Array.from({ length: heads * queries }, (_, row) => {
    let most = 0;
    for (let cell = start + row * keys; cell < start + (row + 1) * keys; cell++) {
      most = Math.max(most, maps.data[cell] || 0);
    }
    return most;
  })
    .filter((weight) => weight > 0)
    .sort((a, b) => a - b);
  return strongest[Math.floor((strongest.length - 1) / 2)] ?? 1;
}
