// Keeps the address and the state equal, in both directions.
import { effect } from "@preact/signals";
import { currentPairs, onAddressChange, replacePairs } from "./hash";
import { entry, part, probe, recording, view } from "./store";
import { fromPairs, toPairs } from "./url";
import type { ViewState } from "./view_state";

const WRITE_DELAY = 120;

/** The state with everything that is on screen spelled out, so that a link stays what it was. */
function explicit(state: ViewState): ViewState {
  return {
    ...state,
    run: recording.value?.name ?? state.run,
    part: part.value?.name ?? state.part,
    probe: probe.value?.index ?? state.probe,
    step: state.step ?? entry.value?.step ?? null,
  };
}

export interface Mirror {
  /** Write a pending change now, before the address is copied. */
  flush(): void;
  stop(): void;
}

export function startMirror(): Mirror {
  view.value = fromPairs(currentPairs());
  // What the address was last seen to say. TensorBoard changes other parts of it at any time; that
  // must not bring back what the user has left since, while the new state waits to be written.
  let known = JSON.stringify(currentPairs());
  let timer: ReturnType<typeof setTimeout> | undefined;
  let pending: (() => void) | null = null;
  const flush = (): void => {
    clearTimeout(timer);
    pending?.();
    pending = null;
  };
  const stopWriting = effect(() => {
    const pairs = toPairs(explicit(view.value));
    pending = () => {
      replacePairs(pairs);
      known = JSON.stringify(currentPairs());
    };
    clearTimeout(timer);
    timer = setTimeout(flush, WRITE_DELAY);
  });
  const stopReading = onAddressChange(() => {
    const pairs = currentPairs();
    const said = JSON.stringify(pairs);
    if (said !== known) {
      known = said;
      view.value = fromPairs(pairs);
    }
  });
  return {
    flush,
    stop() {
      clearTimeout(timer);
      stopWriting();
      stopReading();
    },
  };
}
