// Keeps the address and the state equal, in both directions.
import { effect } from "@preact/signals";
import { currentPairs, onAddressChange, replacePairs } from "./hash";
import { awaitsRun, entry, part, probe, recording, view } from "./store";
import { fromPairs, toPairs } from "./url";
import type { Pairs } from "./url_codes";
import type { ViewState } from "./view_state";

const WRITE_DELAY = 120;
const AGAIN = 5000; // after the browser refused to change the address

/**
 * The state with everything that is on screen spelled out, so that a link stays what it was. Until
 * another run is here, what is on screen is not what was chosen.
 */
function explicit(state: ViewState): ViewState {
  if (awaitsRun.value) {
    return state;
  }
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
  let pending: Pairs | null = null;
  /** Take over what others wrote into the address; did they? */
  const read = (): boolean => {
    const pairs = currentPairs();
    const said = JSON.stringify(pairs);
    if (said === known) {
      return false;
    }
    known = said;
    view.value = fromPairs(pairs);
    return true;
  };
  const flush = (): void => {
    clearTimeout(timer);
    // The browser tells of another address a moment later: writing first would wipe it out.
    if (pending && !read()) {
      const written = replacePairs(pending);
      known = JSON.stringify(currentPairs());
      if (written) {
        pending = null;
      } else {
        timer = setTimeout(flush, AGAIN);
      }
    }
  };
  const stopWriting = effect(() => {
    pending = toPairs(explicit(view.value));
    clearTimeout(timer);
    timer = setTimeout(flush, WRITE_DELAY);
  });
  const stopReading = onAddressChange(read);
  return {
    flush,
    stop() {
      clearTimeout(timer);
      stopWriting();
      stopReading();
    },
  };
}
