// From where the graph is seen, and how a gesture changes that.

export interface Camera {
  readonly yaw: number;
  readonly pitch: number;
  readonly zoom: number;
  /** How far the picture is moved, in px. */
  readonly x: number;
  readonly y: number;
}

export const FIRST_CAMERA: Camera = { yaw: -0.46, pitch: 0.14, zoom: 1, x: 0, y: 0 };
export const PITCH_LIMIT = 1.3;
export const ZOOM_LIMITS: readonly [number, number] = [0.5, 12];
const TURN = 0.006;

export interface Gap {
  readonly x: number;
  readonly y: number;
}

const within = (value: number, low: number, high: number): number =>
  Math.max(low, Math.min(high, value));

/** The camera after the picture was turned by a drag of that many px. */
export const turned = (camera: Camera, { x, y }: Gap): Camera => ({
  ...camera,
  yaw: camera.yaw + x * TURN,
  pitch: within(camera.pitch + y * TURN, -PITCH_LIMIT, PITCH_LIMIT),
});

/** The camera after the picture was moved. */
export const moved = (camera: Camera, { x, y }: Gap): Camera => ({
  ...camera,
  x: camera.x + x,
  y: camera.y + y,
});

/**
 * The camera after zooming by a factor, so that what lies under the pointer stays there.
 * `pointer` is counted from the middle of the window. Nothing is left moved at the first size.
 */
export function zoomed(camera: Camera, factor: number, pointer: Gap): Camera {
  const zoom = within(camera.zoom * factor, ...ZOOM_LIMITS);
  if (zoom <= 1) {
    return { ...camera, zoom, x: 0, y: 0 };
  }
  const growth = zoom / camera.zoom;
  return {
    ...camera,
    zoom,
    x: pointer.x - (pointer.x - camera.x) * growth,
    y: pointer.y - (pointer.y - camera.y) * growth,
  };
}
