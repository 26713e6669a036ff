// The order of numbers of which some are undefined.

/** Ascending, or descending; what is undefined comes last either way. 0 for equals. */
export function compareNumbers(one: number, other: number, down = false): number {
  if (Number.isNaN(one) || Number.isNaN(other)) {
    return Number(Number.isNaN(one)) - Number(Number.isNaN(other));
  }
  // No difference: that of two infinities is none.
  const ascending = Number(one > other) - Number(one < other);
  return down ? -ascending : ascending;
}
