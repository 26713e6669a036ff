// The order of heads inside a layer.

/** Heads by value, ascending; undefined values last, ties by head number. */
export function orderHeads(values: readonly number[]): number[] {
  return values.map((_, head) => head).sort((a, b) => rank(values[a]) - rank(values[b]) || a - b);
}

// Two undefined values must compare equal, so infinity will not do.
const rank = (value: number | undefined): number =>
  value === undefined || Number.isNaN(value) ? Number.MAX_VALUE : value;
