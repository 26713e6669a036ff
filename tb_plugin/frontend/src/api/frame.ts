// The binary frame of tb_plugin/http_api.md: "ATM1", kind, shape, then little-endian numbers.
import type { Maps, Series } from "../core/maps";

export class FrameError extends Error {
  override readonly name = "FrameError";
}

const MAGIC = "ATM1";
const KIND = { codes: 1, series: 3, absolute: 4 } as const;
const HEADER = 8;
/** Larger than any honest reply; a damaged header must not make the tab allocate gigabytes. */
const MAX_ELEMENTS = 1 << 28;

interface Header {
  readonly kind: number;
  readonly shape: readonly number[];
  readonly bodyStart: number;
}

function readHeader(buffer: ArrayBuffer): Header {
  const view = new DataView(buffer);
  if (buffer.byteLength < HEADER) {
    throw new FrameError(
      `the reply has ${buffer.byteLength} bytes, a frame has at least ${HEADER}`,
    );
  }
  const magic = String.fromCharCode(...new Uint8Array(buffer, 0, 4));
  if (magic !== MAGIC) {
    throw new FrameError(`the reply does not start with ${MAGIC}; was it cut by a proxy?`);
  }
  const dimensions = view.getUint8(5);
  const bodyStart = HEADER + 4 * dimensions;
  if (buffer.byteLength < bodyStart) {
    throw new FrameError("the reply ends inside its header");
  }
  const shape = Array.from({ length: dimensions }, (_, axis) =>
    view.getUint32(HEADER + 4 * axis, true),
  );
  if (product(shape) > MAX_ELEMENTS) {
    throw new FrameError(
      `the reply claims ${shape.join(" × ")} values, more than the tab can hold`,
    );
  }
  return { kind: view.getUint8(4), shape, bodyStart };
}

const product = (shape: readonly number[]): number => shape.reduce((all, size) => all * size, 1);

function expectLength(buffer: ArrayBuffer, wanted: number): void {
  if (buffer.byteLength !== wanted) {
    throw new FrameError(`the reply has ${buffer.byteLength} bytes, its header says ${wanted}`);
  }
}

function expectKind(header: Header, kind: number, dimensions: number): void {
  if (header.kind !== kind || header.shape.length !== dimensions) {
    throw new FrameError(
      `got a frame of kind ${header.kind} with ${header.shape.length} axes, wanted kind ${kind} with ${dimensions}`,
    );
  }
}

/**
 * Decode attention: a = (u / 255)² · row maximum, then every row is divided by its sum; absolute
 * attention (rows that do not sum to 1) is not divided.
 */
export function decodeMaps(buffer: ArrayBuffer): Maps {
  const header = readHeader(buffer);
  const absolute = header.kind === KIND.absolute;
  expectKind(header, absolute ? KIND.absolute : KIND.codes, 4);
  const [layers = 0, heads = 0, queries = 0, keys = 0] = header.shape;
  const rows = layers * heads * queries;
  const codesStart = header.bodyStart + 4 * rows;
  expectLength(buffer, codesStart + rows * keys);
  const maxima = new Float32Array(buffer.slice(header.bodyStart, codesStart));
  const codes = new Uint8Array(buffer, codesStart);
  const data = new Float32Array(rows * keys);
  for (let row = 0; row < rows; row++) {
    decodeRow(codes, data, row * keys, keys, maxima[row] ?? 0, absolute);
  }
  return { data, layers, heads, queries, keys };
}

function decodeRow(
  codes: Uint8Array,
  data: Float32Array,
  start: number,
  keys: number,
  maximum: number,
  absolute: boolean,
): void {
  let sum = 0;
  for (let cell = start; cell < start + keys; cell++) {
    const root = (codes[cell] ?? 0) / 255;
    sum += root * root * maximum;
  }
  if (sum === 0) {
    return; // rows of zeros (heads a layer does not have) stay zero
  }
  const divisor = absolute ? 1 : sum;
  for (let cell = start; cell < start + keys; cell++) {
    const root = (codes[cell] ?? 0) / 255;
    data[cell] = (root * root * maximum) / divisor;
  }
}

/** Decode per-head metrics over steps: [step, layer, head, metric]. */
export function decodeSeries(buffer: ArrayBuffer): Series {
  const header = readHeader(buffer);
  expectKind(header, KIND.series, 4);
  const [count = 0, layers = 0, heads = 0, metrics = 0] = header.shape;
  const valuesStart = header.bodyStart + 8 * count;
  expectLength(buffer, valuesStart + 4 * product(header.shape));
  const steps = [...new Float64Array(buffer.slice(header.bodyStart, valuesStart))];
  const data = new Float32Array(buffer.slice(valuesStart));
  return { steps, data, layers, heads, metrics };
}
