// The best one-to-one assignment (Kuhn 1955; the shortest augmenting paths of Jonker & Volgenant 1987).

/** For every row the column it is given, so that the sum of costs is least; −1 for rows left over. */
export function assign(costs: readonly (readonly number[])[]): number[] {
  const rows = costs.length;
  const columns = Math.max(0, ...costs.map((row) => row.length));
  const size = Math.max(rows, columns);
  const cost = (row: number, column: number): number => costs[row]?.[column] ?? 0;
  const rowPrice = new Float64Array(size);
  const columnPrice = new Float64Array(size);
  const rowOf = new Int32Array(size).fill(-1);
  for (let start = 0; start < size; start++) {
    const least = new Float64Array(size).fill(Number.POSITIVE_INFINITY);
    const from = new Int32Array(size).fill(-1);
    const done = new Uint8Array(size);
    let row = start;
    let last = -1;
    while (row >= 0) {
      let next = -1;
      for (let column = 0; column < size; column++) {
        if (done[column]) {
          continue;
        }
        const reduced = cost(row, column) - (rowPrice[row] ?? 0) - (columnPrice[column] ?? 0);
        if (reduced < (least[column] ?? 0)) {
          least[column] = reduced;
          from[column] = last;
        }
        if (next < 0 || (least[column] ?? 0) < (least[next] ?? 0)) {
          next = column;
        }
      }
      const step = least[next] ?? 0;
      rowPrice[start] = (rowPrice[start] ?? 0) + step;
      for (let column = 0; column < size; column++) {
        const owner = rowOf[column] ?? -1;
        if (done[column]) {
          rowPrice[owner] = (rowPrice[owner] ?? 0) + step;
          columnPrice[column] = (columnPrice[column] ?? 0) - step;
        } else {
          least[column] = (least[column] ?? 0) - step;
        }
      }
      done[next] = 1;
      last = next;
      row = rowOf[next] ?? -1;
    }
    while (last >= 0) {
      const before = from[last] ?? -1;
      rowOf[last] = before >= 0 ? (rowOf[before] ?? -1) : start;
      last = before;
    }
  }
  const given = new Array<number>(rows).fill(-1);
  rowOf.forEach((row, column) => {
    if (row >= 0 && row < rows && column < columns) {
      given[row] = column;
    }
  });
  return given;
}
