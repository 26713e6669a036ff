// Arrays that carry their shape. Axis order is always layer, head, query, key.

export interface Matrix {
  readonly data: Float32Array;
  readonly rows: number;
  readonly cols: number;
}

/** Where windowed maps begin, and how many neighbouring tokens each of their rows and columns joins. */
export interface MapOrigin {
  readonly layer: number;
  readonly query: number;
  readonly key: number;
  readonly merge: number;
}

/**
 * Attention of one probe at one step: [layer, head, query, key]; whole rows sum to 1. Maps of a
 * window say where it lies in `from`; layers are always asked for by their number in the model.
 */
export interface Maps {
  readonly data: Float32Array;
  readonly layers: number;
  readonly heads: number;
  readonly queries: number;
  readonly keys: number;
  readonly from?: MapOrigin;
}

/** Per-head metrics over all recorded steps: [step, layer, head, metric]; NaN is undefined. */
export interface Series {
  readonly steps: readonly number[];
  readonly data: Float32Array;
  readonly layers: number;
  readonly heads: number;
  readonly metrics: number;
}

/** Whether a layer's maps are among those that were fetched. */
export const holdsLayer = ({ from, layers }: Maps, layer: number): boolean =>
  layer >= (from?.layer ?? 0) && layer < (from?.layer ?? 0) + layers;

const mapAt = (maps: Maps, layer: number, head: number): number =>
  ((layer - (maps.from?.layer ?? 0)) * maps.heads + head) * maps.queries * maps.keys;

/** One head's map, a view of the same memory. */
export function headMap(maps: Maps, layer: number, head: number): Matrix {
  const size = maps.queries * maps.keys;
  const start = mapAt(maps, layer, head);
  return { data: maps.data.subarray(start, start + size), rows: maps.queries, cols: maps.keys };
}

/**
 * The mean of maps of one shape, cell by cell. Summed in double precision so that the value shown
 * equals the mean of the stored floats.
 */
export function meanOfMaps(maps: readonly Matrix[]): Matrix {
  const first = maps[0] ?? { data: new Float32Array(), rows: 0, cols: 0 };
  const sum = new Float64Array(first.data.length);
  for (const { data } of maps) {
    for (let cell = 0; cell < sum.length; cell++) {
      sum[cell] = (sum[cell] ?? 0) + (data[cell] ?? 0);
    }
  }
  const data = new Float32Array(sum.length);
  for (let cell = 0; cell < sum.length; cell++) {
    data[cell] = (sum[cell] ?? 0) / maps.length;
  }
  return { ...first, data };
}

/** Mean of the first `heads` heads of a layer (layers with fewer heads are padded with zeros). */
export const meanOverHeads = (maps: Maps, layer: number, heads: number): Matrix =>
  meanOfMaps(Array.from({ length: heads }, (_, head) => headMap(maps, layer, head)));

/** Share of all attention each key receives: column sum / number of queries. */
export function keyShares(map: Matrix): Float32Array {
  const { data, rows, cols } = map;
  const sums = new Float64Array(cols);
  for (let start = 0; start < rows * cols; start += cols) {
    for (let key = 0; key < cols; key++) {
      sums[key] = (sums[key] ?? 0) + (data[start + key] ?? 0);
    }
  }
  return new Float32Array(sums.map((sum) => (rows > 0 ? sum / rows : 0)));
}

/** The value at a cell; 0 outside. */
export function at(map: Matrix, query: number, key: number): number {
  return map.data[query * map.cols + key] ?? 0;
}

/** a - b, cell by cell. */
export function difference(a: Matrix, b: Matrix): Matrix {
  return {
    data: a.data.map((value, cell) => value - (b.data[cell] ?? 0)),
    rows: a.rows,
    cols: a.cols,
  };
}

/**
 * A map of at most `rows` x `cols` cells. The strongest weight stands for its neighbours, as in
 * the server's pictures of piles: a mean would make one word's column or a diagonal pale, and the
 * word before would look like the word itself. NaN stays NaN.
 */
export function strongest(map: Matrix, rows: number, cols: number): Matrix {
  const [high, wide] = [Math.min(map.rows, rows), Math.min(map.cols, cols)];
  if (high === map.rows && wide === map.cols) {
    return map;
  }
  const data = new Float32Array(high * wide);
  const places = new Uint32Array(map.cols);
  for (let col = 0; col < map.cols; col++) {
    places[col] = Math.floor((col * wide) / map.cols);
  }
  for (let row = 0; row < map.rows; row++) {
    const to = Math.floor((row * high) / map.rows) * wide;
    for (let col = 0; col < map.cols; col++) {
      const cell = to + (places[col] ?? 0);
      const value = map.data[row * map.cols + col] ?? 0;
      if (!(Math.abs(value) <= Math.abs(data[cell] ?? 0))) {
        data[cell] = Number.isNaN(data[cell] ?? 0) ? Number.NaN : value;
      }
    }
  }
  return { data, rows: high, cols: wide };
}

/** One metric of one head at one recorded step; NaN where it is undefined or absent. */
export function seriesValue(
  series: Series,
  step: number,
  layer: number,
  head: number,
  metric: number,
): number {
  const index = ((step * series.layers + layer) * series.heads + head) * series.metrics + metric;
  return series.data[index] ?? Number.NaN;
}

/** One family of curves; the first one carries the dots and the printed value. */
export interface Curves {
  readonly name: string;
  readonly series: Series;
  readonly dashed: boolean;
}
