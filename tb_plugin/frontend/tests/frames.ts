// Frames built by hand from the words of http_api.md, so that the decoder is not its own oracle.

export interface FrameParts {
  readonly magic?: string;
  readonly kind: number;
  readonly shape: readonly number[];
  readonly body: readonly ArrayBufferView[];
}

export function frame({ magic = "ATM1", kind, shape, body }: FrameParts): ArrayBuffer {
  const bodySize = body.reduce((all, part) => all + part.byteLength, 0);
  const buffer = new ArrayBuffer(8 + 4 * shape.length + bodySize);
  const view = new DataView(buffer);
  [...magic].forEach((letter, at) => {
    view.setUint8(at, letter.charCodeAt(0));
  });
  view.setUint8(4, kind);
  view.setUint8(5, shape.length);
  shape.forEach((size, axis) => {
    view.setUint32(8 + 4 * axis, size, true);
  });
  let at = 8 + 4 * shape.length;
  for (const part of body) {
    new Uint8Array(buffer, at).set(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
    at += part.byteLength;
  }
  return buffer;
}
