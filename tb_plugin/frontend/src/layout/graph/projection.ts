// Tokens on rings, rings in a row, seen from a camera: three numbers in, two out.
import { type Camera, FIRST_CAMERA } from "./camera";
import type { Place } from "./near_layout";
import {
  axisAt,
  CLASS_LABELS,
  onRing,
  rowShift,
  type Seat,
  type Seating,
  type Size,
  type Spot,
  seats,
  turn,
  type Vector,
} from "./seats";

const RIM = 1.06;
const CLASS_STEP = 46;
const CLASS_SPAN = 300;
const RIM_STEPS = 48;
/** How far towards the middle an edge is bent: neighbours keep to the rim, others cross. */
const BEND = 0.9;

export const tokenAngle = (token: number, tokens: number): number =>
  -Math.PI / 2 + (2 * Math.PI * token) / Math.max(1, tokens);

/** Where every token lies on a ring without edges, seen from the side; the radius is 1. */
export const ringPlaces = (tokens: number): Place[] =>
  Array.from({ length: tokens }, (_, token) => {
    const angle = tokenAngle(token, tokens);
    return { y: Math.sin(angle), z: Math.cos(angle) };
  });

export interface Projection {
  readonly layers: number;
  readonly tokens: (ring: number) => number;
  token(layer: number, token: number): Spot;
  /** The point that bends an edge inwards. */
  bend(layer: number, a: number, b: number): Spot;
  /** A node of the class layer. */
  classNode(at: number): Spot;
  /** A point on the axis between a plane and the next, `share` of the way, `y` above it. */
  between(layer: number, share: number, y: number): Spot;
  /** A place on a plane, where the ring's radius is 1. */
  on(layer: number, place: Place): Spot;
  rim(layer: number): Spot[];
  middle(layer: number): Spot;
  title(layer: number): Spot;
  /** px between two neighbouring tokens of a ring, on average. */
  pitch(layer: number): number;
  /** px from the middle of a ring to its sides. */
  half(layer: number): number;
}

export interface Stage extends Omit<Seating, "classes" | "rings"> {
  /** Rings in a row. */
  readonly layers: number;
  readonly tokens: (ring: number) => number;
  /** Places other than evenly around the ring, or null. */
  readonly places?: (ring: number) => readonly Place[] | null;
  /** Nodes of the class layer after the last ring. */
  readonly classes?: number;
}

const NOWHERE: Seat = { x: 0, high: 1, deep: 1 };

/** The size is fitted to the first camera, so that turning never rescales. */
export function projection(stage: Stage, size: Size, camera: Camera): Projection {
  const { layers, classes = 0 } = stage;
  const row = seats({ ...stage, rings: layers, classes: classes > 0 }, size);
  const shift = rowShift(row, size);
  const see = (point: Vector): Spot => {
    const spot = turn(point, camera);
    return {
      x: size.width / 2 + camera.x + spot.x * camera.zoom,
      y: size.height / 2 + camera.y + (spot.y + shift) * camera.zoom,
      depth: spot.depth,
    };
  };
  const seat = (ring: number): Seat => row[ring] ?? NOWHERE;
  const place = (ring: number, token: number): Vector => {
    const chosen = stage.places?.(ring)?.[token];
    const { x, high, deep } = seat(ring);
    return chosen
      ? [x, high * chosen.y, deep * chosen.z]
      : onRing(seat(ring), tokenAngle(token, stage.tokens(ring)));
  };
  const ends = classPoints(classes, size);
  return {
    layers,
    tokens: stage.tokens,
    classNode: (at) => see(ends[at] ?? [0, 0, 0]),
    between: (ring, share, y) => {
      const [from, to] = [seat(ring).x, row[ring + 1]?.x];
      const step = to === undefined ? from - (row[ring - 1]?.x ?? from - 100) : to - from;
      return see([from + share * step, y, 0]);
    },
    token: (ring, token) => see(place(ring, token)),
    bend: (ring, a, b) => {
      const [x, y1, z1] = place(ring, a);
      const [, y2, z2] = place(ring, b);
      const { high, deep } = seat(ring);
      const apart = Math.hypot((y1 - y2) / high, (z1 - z2) / Math.max(1, deep)) / 2;
      const share = 1 - BEND * Math.min(1, apart);
      return see([x, ((y1 + y2) / 2) * share, ((z1 + z2) / 2) * share]);
    },
    on: (ring, { y, z }) => see([seat(ring).x, seat(ring).high * y, seat(ring).deep * z]),
    rim: (ring) =>
      Array.from({ length: RIM_STEPS }, (_, at) =>
        see(onRing(seat(ring), (2 * Math.PI * at) / RIM_STEPS, RIM)),
      ),
    middle: (ring) => see([seat(ring).x, 0, 0]),
    title: (ring) => see(onRing(seat(ring), -Math.PI / 2, RIM)),
    pitch: (ring) => {
      const around = Math.PI * (seat(ring).high + sideways(seat(ring)));
      return (around * camera.zoom) / Math.max(1, stage.tokens(ring));
    },
    half: (ring) => sideways(seat(ring)) * camera.zoom,
  };
}

/** How far a ring is seen to reach to its sides, at first. */
const sideways = ({ deep }: Seat): number => deep * Math.abs(Math.sin(FIRST_CAMERA.yaw));

/** Classes stand in a column at the right, where their names have room. */
function classPoints(classes: number, size: Size): Vector[] {
  const x = axisAt(size.width / 2 - CLASS_LABELS);
  const step = Math.min(CLASS_STEP, CLASS_SPAN / Math.max(1, classes));
  return Array.from({ length: classes }, (_, at) => [x, (at - (classes - 1) / 2) * step, 0]);
}
