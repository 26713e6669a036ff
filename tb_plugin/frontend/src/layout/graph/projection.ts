// Tokens on rings, rings in a row, seen from a camera: three numbers in, two out.
import type { Place } from "./near_layout";

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
/** px beside the class layer for names and probabilities. */
const CLASS_LABELS = 110;
const CLASS_LEAD = 0.95;
const CLASS_STEP = 46;
const CLASS_SPAN = 300;

/** The place of a token on its plane; the same angle is the same token in all planes. */
export function ringPoint(layer: number, layers: number, angle: number, radius = RADIUS): Vector {
  const x = (layer - (layers - 1) / 2) * PLANE_GAP;
  return [x, radius * Math.sin(angle), radius * Math.cos(angle)];
}

/** Classes stand in a column after the last plane. */
function classPoint(layers: number, at: number, classes: number): Vector {
  const [x] = ringPoint(layers - 1, layers, 0, 0);
  const step = Math.min(CLASS_STEP, CLASS_SPAN / Math.max(1, classes));
  return [x + CLASS_LEAD * PLANE_GAP + LABEL_RISE, (at - (classes - 1) / 2) * step, 0];
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
  readonly tokens: (ring: number) => number;
  token(layer: number, token: number): Spot;
  /** A token's place moved towards the middle of its plane: edges bend inwards. */
  bend(layer: number, a: number, b: number): Spot;
  /** A node of the class layer. */
  classNode(at: number): Spot;
  /** A point on the axis between a plane and the next, `share` of the way, `y` above it. */
  between(layer: number, share: number, y: number): Spot;
  rim(layer: number): Spot[];
  middle(layer: number): Spot;
  title(layer: number): Spot;
}

const RIM_STEPS = 48;
const BEND = 0.55;

export interface Stage {
  /** Rings in a row. */
  readonly layers: number;
  readonly tokens: (ring: number) => number;
  /** Places other than evenly around the ring, or null. */
  readonly places?: (ring: number) => readonly Place[] | null;
  /** Nodes of the class layer after the last ring. */
  readonly classes?: number;
}

/** Where every token lies on a ring without edges, seen from the side. */
export const ringPlaces = (tokens: number): Place[] =>
  Array.from({ length: tokens }, (_, token) => {
    const [, y, z] = ringPoint(0, 1, tokenAngle(token, tokens));
    return { y, z };
  });

/** The size is fitted to the first camera, so that turning never rescales. */
export function projection(
  stage: Stage,
  size: { readonly width: number; readonly height: number },
  camera: Camera,
): Projection {
  const { layers, classes = 0 } = stage;
  const ends = Array.from({ length: classes }, (_, at) => classPoint(layers, at, classes));
  const corners = Array.from({ length: layers }, (_, layer) =>
    Array.from({ length: 16 }, (_, k) =>
      turn(ringPoint(layer, layers, (k * Math.PI) / 8, RADIUS + LABEL_RISE), FIRST_CAMERA),
    ),
  )
    .flat()
    .concat(ends.map((point) => turn(point, FIRST_CAMERA)));
  const xs = corners.map(({ x }) => x);
  const ys = corners.map(({ y }) => y);
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const [top, bottom] = [Math.min(...ys), Math.max(...ys)];
  const labels = classes > 0 ? CLASS_LABELS : 0;
  const fit = Math.min(
    (size.width - 2 * MARGIN.x - labels) / Math.max(1, right - left),
    (size.height - 2 * MARGIN.y) / Math.max(1, bottom - top),
  );
  const scale = fit * camera.zoom;
  const see = (point: Vector): Spot => {
    const spot = turn(point, camera);
    return {
      x: (size.width - labels) / 2 + (spot.x - (left + right) / 2) * scale,
      y: size.height / 2 + (spot.y - (top + bottom) / 2) * scale,
      depth: spot.depth,
    };
  };
  const place = (layer: number, token: number): Vector => {
    const moved = stage.places?.(layer)?.[token];
    const home = ringPoint(layer, layers, tokenAngle(token, stage.tokens(layer)));
    return moved ? [home[0], moved.y, moved.z] : home;
  };
  return {
    layers,
    tokens: stage.tokens,
    classNode: (at) => see(ends[at] ?? [0, 0, 0]),
    between: (layer, share, y) => {
      const [x] = ringPoint(layer, layers, 0, 0);
      return see([x + share * PLANE_GAP, y, 0]);
    },
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
