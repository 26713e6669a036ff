import { partTitle } from "../scale/format";
import { runColour } from "../scale/runs";
import { sentenceText } from "../scale/text";
import { part, probe, runName, runs } from "../state/store";
import { helpOpen, railOpen } from "./actions";
import { PartSelector } from "./PartSelector";
import { ProbeList } from "./ProbeList";
import { RunsList } from "./RunsList";
import { TokenOptions } from "./TokenOptions";
import { theme } from "./theme";

const toggle = (): void => {
  railOpen.value = !railOpen.value;
};

const STRIP_NAMES: Readonly<Record<string, string>> = {
  encoder: "Enc",
  decoder: "Dec",
  cross: "E–D",
};

/** The rail folded to a strip: what is chosen, and one button that opens it. */
function Strip() {
  const place = runs.value.findIndex(({ name }) => name === runName.value);
  const sentence = probe.value;
  return (
    <div class="strip">
      <button
        type="button"
        aria-label={railOpen.value ? "Close the lists" : "Open the lists of runs and sentences"}
        aria-expanded={railOpen.value}
        onClick={toggle}
      >
        ☰
      </button>
      <span
        class="run-dot on"
        title={runName.value ?? ""}
        style={{ "--run": runColour(Math.max(0, place), theme.value) }}
      />
      {sentence && (
        <span class="strip-mark" title={sentenceText(sentence.source)}>
          {sentence.mean_of ? "∅" : `S${sentence.index + 1}`}
        </span>
      )}
      {part.value && (
        <span class="strip-mark" title={partTitle(part.value.name)}>
          {STRIP_NAMES[part.value.name] ?? part.value.name.slice(0, 3)}
        </span>
      )}
    </div>
  );
}

export function Rail() {
  return (
    <aside class="rail" aria-label="Runs and sentences">
      <Strip />
      <div class="rail-lists">
        <RunsList />
        <PartSelector />
        <ProbeList />
        <TokenOptions />
        <div class="keys">
          <span>
            <kbd>←</kbd> <kbd>→</kbd> step <kbd>space</kbd> play
          </span>
          <span>
            <kbd>esc</kbd> release{" "}
            <button
              type="button"
              class="text-button"
              onClick={() => {
                helpOpen.value = true;
              }}
            >
              <kbd>?</kbd> all keys
            </button>
          </span>
        </div>
      </div>
    </aside>
  );
}
