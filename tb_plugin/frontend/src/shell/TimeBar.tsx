import { stepLabel } from "../scale/format";
import { allHeads, otherRunName, referenceEntry, referenceProblem } from "../state/reference";
import { entry, steps, view } from "../state/store";
import type { Compare } from "../state/view_state";
import { pinReference, playing, setCompare, setPlaying } from "./actions";
import { type SegmentOption, Segments } from "./Segments";
import { StepSlider } from "./StepSlider";

const PLAY = "M2.5 1l8 5-8 5z";
const PAUSE = "M2 1h3v10H2zM7 1h3v10H7z";

function PlayButton() {
  const name = playing.value ? "Pause" : "Play";
  return (
    <button
      type="button"
      class="play"
      disabled={steps.value.length < 2}
      aria-label={name}
      title={`${name} (space)`}
      onClick={() => setPlaying(!playing.value)}
    >
      <svg width={12} height={12} viewBox="0 0 12 12" aria-hidden="true">
        <path d={playing.value ? PAUSE : PLAY} fill="currentColor" />
      </svg>
    </button>
  );
}

const OPTIONS: readonly SegmentOption<Compare>[] = [
  { value: "A", text: "A", title: "The step under the slider" },
  { value: "B", text: "B", title: "The pinned step (hold x to blink to it)" },
  { value: "diff", text: "A − B", title: "What changed from B to A (d)" },
];

function Comparison() {
  const missing = referenceProblem.value ?? undefined;
  return (
    <>
      <Segments<Compare>
        label="Compare"
        options={OPTIONS.map((option) => ({
          ...option,
          disabled: option.value === "A" ? undefined : missing,
        }))}
        current={view.value.compare}
        onChoose={setCompare}
      />
      <button
        type="button"
        class="button"
        disabled={entry.value === null || allHeads.value !== null}
        title={
          allHeads.value
            ? "B is the same text with all heads, at the shown step"
            : "Pin the shown step as the reference B (b)"
        }
        onClick={pinReference}
      >
        Pin B here
      </button>
    </>
  );
}

export function TimeBar() {
  return (
    <div class="time">
      <PlayButton />
      <StepSlider />
      <output
        class={otherRunName.value === null ? "readout" : "readout two-runs"}
        aria-label="Shown step"
      >
        <span>
          <b class="a">A</b> {entry.value ? stepLabel(entry.value) : "–"}
        </span>
        {referenceEntry.value && (
          <span class="note-line">
            <b>B</b> {allHeads.value ? "all heads, same step" : stepLabel(referenceEntry.value)}
            {otherRunName.value !== null && <bdi> in {otherRunName.value}</bdi>}
          </span>
        )}
      </output>
      <Comparison />
    </div>
  );
}
