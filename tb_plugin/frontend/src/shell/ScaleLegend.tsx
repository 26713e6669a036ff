import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { type Contrast, DIFFERENCE_LIMIT, EVEN_CHANGE, EVEN_LIMIT } from "../core/contrast";
import type { Matrix } from "../core/maps";
import { fixed, signed } from "../scale/format";
import {
  attentionPosition,
  attentionRamp,
  differencePosition,
  differenceRamp,
} from "../scale/ramps";
import type { Tab } from "../state/view_state";
import { theme } from "./theme";

const WIDTH = 190;

/** Whether the colours of a view are those of maps. */
export const drawsMaps = (tab: Tab): boolean => tab === "network" || tab === "heads";

/** Where ticks stand on a scale, as shares of its strongest colour, and what they say. */
const TICKS: Readonly<Record<Contrast, readonly (readonly [number, string])[]>> = {
  fixed: [0, 0.05, 0.2, 0.5, 1].map((weight) => [weight, String(weight)] as const),
  even: [0, 1, 2, 4, EVEN_LIMIT].map((times) => [times / EVEN_LIMIT, `${times}×`] as const),
  layer: [
    [0, "0"],
    [0.25, "¼"],
    [1, "most"],
  ],
};

/** What the colours span, in words: on screen and in what is downloaded. */
export const SCALE_TEXTS: Readonly<Record<Contrast, string>> = {
  fixed: "Attention weight, √ scale, fixed 0–1",
  even: `Attention in units of even attention, √ scale, 0–${EVEN_LIMIT}×`,
  layer:
    "Attention weight, √ scale, 0 to what a typical query of the layer gives to its strongest key at this step",
};

/** Where ticks stand on the scale of A − B, in units that end at ±DIFFERENCE_LIMIT. */
const CHANGES: Readonly<Record<Contrast, readonly (readonly [number, string])[]>> = {
  fixed: [-0.5, -0.1, 0, 0.1, 0.5].map((change) => [change, changeText(change)] as const),
  even: [-EVEN_CHANGE, -1, 0, 1, EVEN_CHANGE].map(
    (times) =>
      [(times / EVEN_CHANGE) * DIFFERENCE_LIMIT, times ? `${signed(times, 0)}×` : "0"] as const,
  ),
  layer: [
    [-DIFFERENCE_LIMIT, "−most"],
    [0, "0"],
    [DIFFERENCE_LIMIT, "+most"],
  ],
};

function changeText(change: number): string {
  return change === 0 ? "0" : signed(change, 1);
}

const CHANGE_ENDS: Readonly<Record<Contrast, string>> = {
  fixed: "fixed ±0.5",
  even: `in units of even attention, ±${EVEN_CHANGE}×`,
  layer:
    "up to what a typical query of the layer gives to its strongest key at A, in either direction",
};

/** What the colours of a change span, in words: on screen and in what is downloaded. */
export const changeScaleText = (contrast: Contrast): string =>
  `A − B: green more in A, purple more in B, ${CHANGE_ENDS[contrast]}`;

/** The symmetric colour scale of A − B. */
export function DifferenceLegend({ contrast }: { readonly contrast: Contrast }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const look = theme.value;
  useLayoutEffect(() => {
    const context = canvas.current?.getContext("2d");
    const { pixels } = differenceRamp(look);
    const image = context?.createImageData(pixels.length, 1);
    if (context && image) {
      new Uint32Array(image.data.buffer).set(pixels);
      context.putImageData(image, 0, 0);
    }
  }, [look]);
  return (
    <div class="scale" role="img" aria-label={`Colour scale. ${changeScaleText(contrast)}`}>
      <canvas ref={canvas} width={256} height={1} />
      <svg width={WIDTH} height={28} aria-hidden="true">
        {CHANGES[contrast].map(([change, text]) => {
          const at = ((1 + differencePosition(change)) / 2) * WIDTH;
          return (
            <g key={text}>
              <line x1={at} x2={at} y1={14} y2={17} />
              <text x={at} y={27}>
                {text}
              </text>
            </g>
          );
        })}
      </svg>
      <span class="uniform-note">purple more in B, green more in A</span>
    </div>
  );
}

/** The least and the most that even attention gives to a key. */
function evenRange(even: Matrix | null): { least: number; most: number } | null {
  const given = Array.from(even?.data ?? []).filter((weight) => weight > 0);
  return given.length > 0
    ? {
        least: given.reduce((a, b) => Math.min(a, b)),
        most: given.reduce((a, b) => Math.max(a, b)),
      }
    : null;
}

/** One weight where every query sees as many keys; else from the longest sight to the shortest. */
function evenText({ least, most }: { least: number; most: number }): string {
  return most - least < 1e-6
    ? `▾ even = 1 / keys seen = ${fixed(least, 3)}`
    : `▾ even = 1 / keys seen, ${fixed(least, 3)} to ${fixed(most, 2)}`;
}

interface ScaleLegendProps {
  readonly even: Matrix | null;
  readonly contrast: Contrast;
}

/** The colour scale of attention, with marks where even attention lies. */
export function ScaleLegend({ even, contrast }: ScaleLegendProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const look = theme.value;
  useLayoutEffect(() => {
    const context = canvas.current?.getContext("2d");
    const ramp = attentionRamp(null, look);
    for (let x = 0; context && x < WIDTH; x++) {
      context.fillStyle = ramp.colour((x / (WIDTH - 1)) ** 2);
      context.fillRect(x, 0, 1, 1);
    }
  }, [look]);
  const range = useMemo(() => evenRange(even), [even]);
  const marks: Readonly<Record<Contrast, readonly number[]>> = {
    fixed: range ? [...new Set([range.least, range.most])] : [],
    even: [1 / EVEN_LIMIT],
    layer: [],
  };
  return (
    <div class="scale" role="img" aria-label={`Colour scale: ${SCALE_TEXTS[contrast]}`}>
      <canvas ref={canvas} width={WIDTH} height={1} />
      <svg width={WIDTH} height={28} aria-hidden="true">
        {TICKS[contrast].map(([share, text]) => {
          const at = attentionPosition(share) * WIDTH;
          return (
            <g key={text}>
              <line x1={at} x2={at} y1={14} y2={17} />
              <text x={at} y={27}>
                {text}
              </text>
            </g>
          );
        })}
        {marks[contrast].map((share) => (
          <path key={share} d={`M${attentionPosition(share) * WIDTH - 3},-1h6l-3,5z`} />
        ))}
      </svg>
      {range && contrast !== "layer" && <span class="uniform-note">{evenText(range)}</span>}
    </div>
  );
}
