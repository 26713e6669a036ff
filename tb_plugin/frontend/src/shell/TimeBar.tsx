import { stepLabel } from "../scale/format";
import { entry } from "../state/store";
import { playing, setPlaying } from "./actions";
import { StepSlider } from "./StepSlider";

const PLAY = "M2.5 1l8 5-8 5z";
const PAUSE = "M2 1h3v10H2zM7 1h3v10H7z";

function PlayButton() {
  const name = playing.value ? "Pause" : "Play";
  return (
    <button
      type="button"
      class="play"
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

export function TimeBar() {
  return (
    <div class="time">
      <PlayButton />
      <StepSlider />
      <output class="readout" aria-label="Shown step">
        <span>
          <b class="a">A</b> {entry.value ? stepLabel(entry.value) : "–"}
        </span>
      </output>
    </div>
  );
}
