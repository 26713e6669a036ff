import { useMemo, useRef } from "preact/hooks";
import { nearestStep, type StepEntry } from "../core/recording";
import { type Tick, tickAt, tickX, timeline } from "../layout/timeline";
import { stepLabel } from "../scale/format";
import { runColour } from "../scale/runs";
import { flagSentence, signalStep } from "../state/derived/marks";
import { otherRunName, referenceEntry } from "../state/reference";
import { best, entry, runs, stepIndex, steps } from "../state/store";
import { goToIndex, moveBy, moveToMark } from "./actions";
import { theme } from "./theme";
import { useSize } from "./useSize";

const AXIS = 31;
const BEST_LABEL_ROOM = 110;

function TickMark({ tick, count }: { readonly tick: Tick; readonly count: number }) {
  const reach = (tick.startsEpoch ? 6 : 3.5) * (count > 120 ? 0.75 : 1);
  return (
    <line
      class={tick.maps ? "tick" : "tick thinned"}
      x1={tick.x}
      x2={tick.x}
      y1={AXIS - reach}
      y2={AXIS + reach}
    />
  );
}

/** A green flag over the step that the training calls best: by what it watches, else by its validation loss. */
function BestMark({ all, width }: { readonly all: readonly StepEntry[]; readonly width: number }) {
  const at = best.value ? all.indexOf(best.value) : -1;
  if (at < 0) {
    return null;
  }
  const x = tickX(at, all.length, width);
  const left = x > width - BEST_LABEL_ROOM;
  return (
    <g class="best">
      <path d={`M${x - 4.5},6h9l-4.5,7z`} />
      <line x1={x} x2={x} y1={13} y2={AXIS - 8} />
      <text x={left ? x - 8 : x + 8} y={13} text-anchor={left ? "end" : "start"}>
        best validation
      </text>
    </g>
  );
}

/** An amber flag over the step at which a signal was raised. */
function SignalMark({
  all,
  width,
}: {
  readonly all: readonly StepEntry[];
  readonly width: number;
}) {
  const at = all.findIndex(({ step }) => step === signalStep.value);
  if (at < 0) {
    return null;
  }
  const x = tickX(at, all.length, width);
  const atBest = best.value ? all.indexOf(best.value) : -1;
  const xBest = atBest < 0 ? Number.NEGATIVE_INFINITY : tickX(atBest, all.length, width);
  // Its words go where the words of the best step do not stand.
  const left = x > width - BEST_LABEL_ROOM || (x < xBest && xBest - x < BEST_LABEL_ROOM);
  const free = left
    ? x - xBest > 2 * BEST_LABEL_ROOM || x < xBest
    : x - xBest > BEST_LABEL_ROOM || x < xBest;
  return (
    <g class="signal-mark">
      <title>{flagSentence.value}</title>
      <path d={`M${x - 4.5},6h9l-4.5,7z`} />
      <line x1={x} x2={x} y1={13} y2={AXIS - 8} />
      {free && (
        <text x={left ? x - 8 : x + 8} y={13} text-anchor={left ? "end" : "start"}>
          flag raised
        </text>
      )}
    </g>
  );
}

const colourOf = (run: string | null): string =>
  runColour(
    Math.max(
      0,
      runs.value.findIndex(({ name }) => name === run),
    ),
    theme.value,
  );

interface FobProps {
  readonly name: "A" | "B";
  readonly x: number;
  /** The colour of the other run that the step lies in. */
  readonly run?: string | null;
}

function Fob({ name, x, run = null }: FobProps) {
  return (
    <g
      class={`fob ${name.toLowerCase()}${run === null ? "" : " elsewhere"}`}
      style={run === null ? undefined : { "--run": run }}
      transform={`translate(${x},${AXIS})`}
    >
      <circle r={9.5} />
      <text y={4}>{name}</text>
    </g>
  );
}

function onSliderKey(event: KeyboardEvent): void {
  const last = steps.peek().length - 1;
  const page = Math.max(1, Math.round(last / 10));
  const moves: Readonly<Record<string, () => void>> = {
    ArrowLeft: () => (event.shiftKey ? moveToMark(-1) : moveBy(-1)),
    ArrowDown: () => moveBy(-1),
    ArrowRight: () => (event.shiftKey ? moveToMark(1) : moveBy(1)),
    ArrowUp: () => moveBy(1),
    PageDown: () => moveBy(-page),
    PageUp: () => moveBy(page),
    Home: () => goToIndex(0),
    End: () => goToIndex(last),
  };
  const move = moves[event.key];
  if (move) {
    event.preventDefault();
    move();
  }
}

export function StepSlider() {
  const root = useRef<HTMLDivElement>(null);
  const width = useSize(root)?.width ?? 0;
  const all = steps.value;
  const drawn = useMemo(() => timeline(all, width), [all, width]);
  const here = entry.value;
  const x = tickX(Math.max(0, stepIndex.value), all.length, width);

  // A step of another run stands where this run was at that time.
  const elsewhere = otherRunName.value !== null;
  const atB = referenceEntry.value
    ? elsewhere
      ? nearestStep(all, referenceEntry.value.step)
      : all.indexOf(referenceEntry.value)
    : -1;
  const xB = atB < 0 ? null : tickX(atB, all.length, width);

  const follow = (event: PointerEvent): void => {
    const box = root.current?.getBoundingClientRect();
    if (box) {
      goToIndex(tickAt(event.clientX - box.left, all.length, width));
    }
  };

  return (
    <div
      ref={root}
      class="step-slider"
      role="slider"
      tabIndex={0}
      aria-label="Training step"
      aria-valuemin={all[0]?.step ?? 0}
      aria-valuemax={all.at(-1)?.step ?? 0}
      aria-valuenow={here?.step ?? 0}
      aria-valuetext={here ? stepLabel(here) : "no step recorded"}
      onKeyDown={onSliderKey}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        event.currentTarget.focus();
        follow(event);
      }}
      onPointerMove={(event) => {
        if (event.currentTarget.hasPointerCapture(event.pointerId)) {
          follow(event);
        }
      }}
    >
      <svg width={width} height={60} aria-hidden="true">
        <line
          class="track"
          x1={tickX(0, all.length, width)}
          x2={tickX(all.length - 1, all.length, width)}
          y1={AXIS}
          y2={AXIS}
        />
        {xB !== null && !elsewhere && <line class="span" x1={x} x2={xB} y1={AXIS} y2={AXIS} />}
        {drawn.ticks.map((tick) => (
          <TickMark key={tick.index} tick={tick} count={all.length} />
        ))}
        {drawn.labels.map((label) => (
          <text key={label.x} class="tick-label" x={label.x} y={54} text-anchor={label.anchor}>
            {label.text}
          </text>
        ))}
        <BestMark all={all} width={width} />
        <SignalMark all={all} width={width} />
        {xB !== null && (elsewhere || xB !== x) && (
          <Fob name="B" x={xB} run={elsewhere ? colourOf(otherRunName.value) : null} />
        )}
        {here && <Fob name="A" x={x} />}
      </svg>
    </div>
  );
}
