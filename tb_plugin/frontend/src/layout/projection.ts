// Tokens on rings, rings in a row, seen from a camera: three numbers in, two out.

export interface Camera {
  readonly yaw: number;
  readonly pitch: number;
  readonly zoom: number;
}

export const FIRST_CAMERA: Camera = { yaw: -0.46, pitch: 0.2, zoom: 1 };
export const PITCH_LIMIT = 1.3;
export const ZOOM_LIMITS: readonly [number, number] = [0.5, 4];

type Vector = readonly [x: number, y: number, z: number];

export interface Spot {
  readonly x: number;
  readonly y: number;
  /** Distance from the viewer; larger is farther. */
  readonly depth: number;
}

const RADIUS = 165;
const RIM = 17;
const LABEL_RISE = 40;
const PLANE_GAP = 142;
const EYE = 1500;
const MARGIN = { x: 60, y: 46 };

/** The place of a token on its plane; the same angle is the same token in all planes. */
export function ringPoint(layer: number, layers: number, angle: number, radius = RADIUS): Vector {
  const x = (layer - (layers - 1) / 2) * PLANE_GAP;
  return [x, radius * Math.sin(angle), radius * Math.cos(angle)];
}

export const tokenAngle = (token: number, tokens: number): number =>
  -Math.PI / 2 + (2 * Math.PI * token) / Math.max(1, tokens);

function turn([x, y, z]: Vector, { yaw, pitch }: Camera): Spot {
  const turnedX = x * Math.cos(yaw) + z * Math.sin(yaw);
  const turnedZ = -x * Math.sin(yaw) + z * Math.cos(yaw);
  const tiltedY = y * Math.cos(pitch) - turnedZ * Math.sin(pitch);
  const depth = y * Math.sin(pitch) + turnedZ * Math.cos(pitch);
  const scale = EYE / (EYE + depth);
  return { x: turnedX * scale, y: tiltedY * scale, depth };
}

export interface Projection {
  readonly layers: number;
  readonly tokens: number;
  token(layer: number, token: number): Spot;
  /** A token's place moved towards the middle of its plane: edges bend inwards. */
  bend(layer: number, a: number, b: number): Spot;
  rim(layer: number): Spot[];
  middle(layer: number): Spot;
  title(layer: number): Spot;
}

const RIM_STEPS = 48;
const BEND = 0.55;

/** The size is fitted to the first camera, so that turning never rescales. */
export function projection(
  layers: number,
  tokens: number,
  size: { readonly width: number; readonly height: number },
  camera: Camera,
): Projection {
  const corners = Array.from({ length: layers }, (_, layer) =>
    Array.from({ length: 16 }, (_, k) =>
      turn(ringPoint(layer, layers, (k * Math.PI) / 8, RADIUS + LABEL_RISE), FIRST_CAMERA),
    ),
  ).flat();
  const xs = corners.map(({ x }) => x);
  const ys = corners.map(({ y }) => y);
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const [top, bottom] = [Math.min(...ys), Math.max(...ys)];
  const fit = Math.min(
    (size.width - 2 * MARGIN.x) / Math.max(1, right - left),
    (size.height - 2 * MARGIN.y) / Math.max(1, bottom - top),
  );
  const scale = fit * camera.zoom;
  const see = (point: Vector): Spot => {
    const spot = turn(point, camera);
    return {
      x: size.width / 2 + (spot.x - (left + right) / 2) * scale,
      y: size.height / 2 + (spot.y - (top + bottom) / 2) * scale,
      depth: spot.depth,
    };
  };
  const place = (layer: number, token: number): Vector =>
    ringPoint(layer, layers, tokenAngle(token, tokens));
  return {
    layers,
    tokens,
    token: (layer, token) => see(place(layer, token)),
    bend: (layer, a, b) => {
      const [x, y1, z1] = place(layer, a);
      const [, y2, z2] = place(layer, b);
      return see([x, ((y1 + y2) / 2) * BEND, ((z1 + z2) / 2) * BEND]);
    },
    rim: (layer) =>
      Array.from({ length: RIM_STEPS }, (_, k) =>
        see(ringPoint(layer, layers, (2 * Math.PI * k) / RIM_STEPS, RADIUS + RIM)),
      ),
    middle: (layer) => see(ringPoint(layer, layers, 0, 0)),
    title: (layer) => see(ringPoint(layer, layers, -Math.PI / 2, RADIUS + LABEL_RISE)),
  };
}
