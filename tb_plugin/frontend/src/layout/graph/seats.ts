// Where the rings of the graph stand, so that they fill the window and none covers another.
import { type Camera, FIRST_CAMERA } from "./camera";

export type Vector = readonly [x: number, y: number, z: number];

export interface Spot {
  readonly x: number;
  readonly y: number;
  /** Distance from the viewer; larger is farther. */
  readonly depth: number;
}

/** A ring in space, in px as seen at first: where on the axis, how high and how deep. */
export interface Seat {
  readonly x: number;
  readonly high: number;
  readonly deep: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Seating {
  readonly rings: number;
  /** The rings whose words are named: they get more room, and room for names beside them. */
  readonly focus: readonly number[];
  /** px for the longest name. */
  readonly names: number;
  /** Whether a column of classes stands at the right. */
  readonly classes: boolean;
}

const EYE = 3000;
const MARGIN = { side: 14, top: 40, bottom: 62 };
/** px for names and probabilities of classes, and before them. */
export const CLASS_LABELS = 118;
const CLASS_LEAD = 44;
/** The share of its slot that a ring covers. */
const COVER = 0.8;
/** A ring is never wider than this share of its height: it would look like another view. */
const WIDEST = 0.62;
const RIM = 1.06;

/** As seen by a camera, without its zoom: px from the middle. */
export function turn([x, y, z]: Vector, { yaw, pitch }: Camera): Spot {
  const turnedX = x * Math.cos(yaw) + z * Math.sin(yaw);
  const turnedZ = -x * Math.sin(yaw) + z * Math.cos(yaw);
  const tiltedY = y * Math.cos(pitch) - turnedZ * Math.sin(pitch);
  const depth = y * Math.sin(pitch) + turnedZ * Math.cos(pitch);
  const scale = EYE / (EYE + depth);
  return { x: turnedX * scale, y: tiltedY * scale, depth };
}

/** The place on the axis that is seen at a distance from the middle of the window, at first. */
export function axisAt(seen: number): number {
  const { yaw, pitch } = FIRST_CAMERA;
  const lean = -Math.sin(yaw) * Math.cos(pitch);
  return (seen * EYE) / (Math.cos(yaw) * EYE - seen * lean);
}

/** How much wider a ring in focus is: little among few rings, much among many. */
const focusGain = (rings: number): number => Math.max(1.4, Math.min(3.2, rings / 4));

/** Rings from left to right, each in a slot of its own; the outermost slots end at the margins. */
export function seats({ rings, focus, names, classes }: Seating, size: Size): Seat[] {
  const high = Math.max(40, (size.height - MARGIN.top - MARGIN.bottom) / 2 / RIM);
  const after = classes ? CLASS_LABELS + CLASS_LEAD : 0;
  const wide = Math.max(60, size.width - 2 * MARGIN.side - after);
  const near = Array.from({ length: rings }, (_, ring) => focus.includes(ring));
  const named = near.filter(Boolean).length;
  const gain = focusGain(rings);
  const beside = Math.min(names, (0.4 * wide) / Math.max(1, 2 * named));
  const shares = rings - named + named * (gain * COVER);
  const slot = (wide - 2 * beside * named) / Math.max(1, shares);
  const halves = near.map((chosen) =>
    Math.min((COVER * slot * (chosen ? gain : 1)) / 2, WIDEST * high),
  );
  let left = -size.width / 2 + MARGIN.side;
  const middles = near.map((chosen) => {
    const room = chosen ? gain * COVER * slot + 2 * beside : slot;
    left += room;
    return left - room / 2;
  });
  const flat = middles.map((seen, ring) => fitted(axisAt(seen), halves[ring] ?? 0, high));
  return lowered(flat, high);
}

/** A ring as deep as to be seen `half` px wide to each side. */
function fitted(x: number, half: number, high: number): Seat {
  let deep = half / Math.abs(Math.sin(FIRST_CAMERA.yaw));
  for (let round = 0; round < 3; round++) {
    const { left, right } = extent({ x, high, deep });
    deep *= (2 * half) / Math.max(1e-6, right - left);
  }
  return { x, high, deep };
}

/** All rings lower until the row, which rises to the right, fits the height. */
function lowered(row: readonly Seat[], half: number): Seat[] {
  let high = half;
  for (let round = 0; round < 4; round++) {
    const boxes = row.map((seat) => extent({ ...seat, high }));
    const tall = Math.max(...boxes.map(({ bottom }) => bottom)) - topOf(boxes);
    high *= (2 * half * RIM) / Math.max(1e-6, tall);
  }
  return row.map((seat) => ({ ...seat, high }));
}

interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

const topOf = (boxes: readonly Box[]): number => Math.min(...boxes.map(({ top }) => top));

/** The place of an angle on a ring; the same angle is the same token on all rings. */
export const onRing = ({ x, high, deep }: Seat, angle: number, share = 1): Vector => [
  x,
  share * high * Math.sin(angle),
  share * deep * Math.cos(angle),
];

/** What a ring covers at first, its rim included, from the middle of the stage. */
export function extent(seat: Seat): Box {
  const rim = Array.from({ length: 24 }, (_, at) =>
    turn(onRing(seat, (at * Math.PI) / 12, RIM), FIRST_CAMERA),
  );
  const [xs, ys] = [rim.map(({ x }) => x), rim.map(({ y }) => y)];
  return {
    left: Math.min(...xs),
    right: Math.max(...xs),
    top: Math.min(...ys),
    bottom: Math.max(...ys),
  };
}

/** How far the row is moved so that its top lies below the titles. */
export function rowShift(row: readonly Seat[], size: Size): number {
  const boxes = row.map(extent);
  return row.length === 0 ? 0 : MARGIN.top - size.height / 2 - topOf(boxes);
}
