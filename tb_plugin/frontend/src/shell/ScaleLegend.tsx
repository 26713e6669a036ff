import { useLayoutEffect, useRef } from "preact/hooks";
import { fixed, signed } from "../scale/format";
import {
  attentionPosition,
  attentionRamp,
  differencePosition,
  differenceRamp,
} from "../scale/ramps";
import { theme } from "./theme";

const WIDTH = 190;
const TICKS = [0, 0.05, 0.2, 0.5, 1];

const CHANGES = [-0.5, -0.1, 0, 0.1, 0.5];

/** The fixed, symmetric colour scale of A − B. */
export function DifferenceLegend() {
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
    <div class="scale" role="img" aria-label="Colour scale from −0.5 to 0.5, purple to green">
      <canvas ref={canvas} width={256} height={1} />
      <svg width={WIDTH} height={28} aria-hidden="true">
        {CHANGES.map((change) => {
          const at = ((1 + differencePosition(change)) / 2) * WIDTH;
          return (
            <g key={change}>
              <line x1={at} x2={at} y1={14} y2={17} />
              <text x={at} y={27}>
                {change === 0 ? "0" : signed(change, 1)}
              </text>
            </g>
          );
        })}
      </svg>
      <span class="uniform-note">more in A · fixed ±0.5</span>
    </div>
  );
}

/** The fixed colour scale of attention, with a mark where uniform attention lies. */
export function ScaleLegend({ uniform }: { readonly uniform: number | null }) {
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
  const x = uniform === null ? null : attentionPosition(uniform) * WIDTH;
  return (
    <div class="scale" role="img" aria-label="Colour scale from 0 to 1, square root">
      <canvas ref={canvas} width={WIDTH} height={1} />
      <svg width={WIDTH} height={28} aria-hidden="true">
        {TICKS.map((tick) => {
          const at = attentionPosition(tick) * WIDTH;
          return (
            <g key={tick}>
              <line x1={at} x2={at} y1={14} y2={17} />
              <text x={at} y={27}>
                {String(tick)}
              </text>
            </g>
          );
        })}
        {x !== null && <path d={`M${x - 3},-1h6l-3,5z`} />}
      </svg>
      {uniform !== null && (
        <span class="uniform-note">{`▾ uniform 1/T = ${fixed(uniform, 3)}`}</span>
      )}
    </div>
  );
}
