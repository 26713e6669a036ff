import { bettiCurve } from "../layout/graph/betti";
import type { Plane } from "../layout/graph/graph_planes";
import { groupTitle } from "../layout/graph/layer_groups";
import { NORM_RANGE } from "../layout/graph/token_graph";
import { view } from "../state/store";

const WIDTH = 254;
const HEIGHT = 84;
const LEFT = 26;
const FOOT = 16;
const TOP = 12;

interface BettiProps {
  readonly plane: Plane;
  /** Nodes of the plane's graph. */
  readonly tokens: number;
}

/** Pieces and cycles of the selected plane at every cut; the line is the cut that is set. */
export function BettiCurve({ plane, tokens }: BettiProps) {
  const { norm, prune, least } = view.value.graph;
  const end = NORM_RANGE[norm].max;
  const { cuts, parts, cycles } = bettiCurve(plane.eligible, tokens, end);
  // The number of tokens, not the data of a step, decides the height.
  const high = Math.max(1, tokens);
  const x = (cut: number): number => LEFT + ((WIDTH - LEFT - 4) * cut) / end;
  const y = (count: number): number =>
    TOP + (HEIGHT - TOP - FOOT) * (1 - Math.min(count, high) / high);
  const path = (counts: readonly number[]): string =>
    counts
      .map(
        (count, at) =>
          `${at === 0 ? "M" : "L"}${x(cuts[at] ?? 0).toFixed(1)},${y(count).toFixed(1)}`,
      )
      .join("");
  const title = groupTitle(plane.layers);
  return (
    <figure class="betti">
      <figcaption>{`Betti curve, ${title.toLowerCase()}`}</figcaption>
      <svg
        width={WIDTH}
        height={HEIGHT}
        role="img"
        aria-label={`${title}: pieces and cycles against the cut`}
      >
        <path class="axis" d={`M${LEFT},${TOP}V${HEIGHT - FOOT}H${WIDTH - 4}`} />
        <text x={LEFT - 4} y={TOP + 4} text-anchor="end">
          {high}
        </text>
        <text x={LEFT - 4} y={HEIGHT - FOOT} text-anchor="end">
          0
        </text>
        <text x={LEFT} y={HEIGHT - 3}>
          0
        </text>
        <text x={WIDTH - 4} y={HEIGHT - 3} text-anchor="end">
          {end}
        </text>
        <path class="parts" d={path(parts)} />
        <path class="cycles" d={path(cycles)} />
        {prune === "level" && (
          <line class="cut" x1={x(least)} x2={x(least)} y1={TOP} y2={HEIGHT - FOOT} />
        )}
        <text class="key" x={WIDTH - 92} y={TOP - 2}>
          — parts b₀
        </text>
        <text class="key" x={WIDTH - 4} y={TOP - 2} text-anchor="end">
          ‐ ‐ b₁
        </text>
      </svg>
    </figure>
  );
}
