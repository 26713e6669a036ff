// The square plane of a head's queries and keys: its limits follow from all steps, never from one.
import type { Joint } from "../../core/over_time";
import type { Viewport } from "../network/columns";

export interface JointPlane {
  readonly left: number;
  readonly top: number;
  readonly size: number;
  readonly x: (value: number) => number;
  readonly y: (value: number) => number;
}

const MARGIN = { left: 40, top: 38, right: 200, bottom: 34 };
const SMALLEST = 160;

/** The largest square that leaves room for the legend on its right. */
export function jointPlane({ reach }: Joint, viewport: Viewport): JointPlane {
  const size = Math.max(
    SMALLEST,
    Math.min(
      viewport.width - MARGIN.left - MARGIN.right,
      viewport.height - MARGIN.top - MARGIN.bottom,
    ),
  );
  const limit = reach > 0 ? reach * 1.03 : 1;
  const scale = size / (2 * limit);
  return {
    left: MARGIN.left,
    top: MARGIN.top,
    size,
    x: (value) => MARGIN.left + (value + limit) * scale,
    y: (value) => MARGIN.top + (limit - value) * scale,
  };
}
