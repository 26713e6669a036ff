// What keys and buttons do. Everything goes through `select`, so the URL and every view follow.
import { signal } from "@preact/signals";
import type { LayerView } from "../layout/layer_view";
import { arrived, entry, extent, request, select, stepIndex, steps, view } from "../state/store";
import { type Compare, withLayer } from "../state/view_state";

const PLAY_INTERVAL = 450;

export const playing = signal(false);
export const helpOpen = signal(false);
export const railOpen = signal(false);
let timer: ReturnType<typeof setInterval> | undefined;

/** Show the n-th recorded step, kept inside the recording. */
export function goToIndex(index: number): void {
  const count = steps.peek().length;
  const entry = steps.peek()[Math.min(count - 1, Math.max(0, index))];
  if (entry) {
    if (entry.step === steps.peek().at(-1)?.step) {
      arrived.value = null;
    }
    select({ step: entry.step });
  }
}

export const moveBy = (offset: number): void => goToIndex(stepIndex.peek() + offset);

export const goToNewest = (): void => goToIndex(steps.peek().length - 1);

export function setPlaying(next: boolean): void {
  clearInterval(timer);
  playing.value = next;
  if (!next) {
    return;
  }
  if (stepIndex.peek() >= steps.peek().length - 1) {
    goToIndex(0);
  }
  timer = setInterval(() => {
    if (request.peek().kind === "loading") {
      return; // never skip a step because the server is slower than the beat
    }
    if (stepIndex.peek() >= steps.peek().length - 1) {
      setPlaying(false);
    } else {
      moveBy(1);
    }
  }, PLAY_INTERVAL);
}

/** Pin the shown step as the reference B. */
export function pinReference(): void {
  const step = entry.peek()?.step;
  if (step !== undefined) {
    select({ reference: step });
  }
}

export const setCompare = (compare: Compare): void => select({ compare });

export function setLayer(which: number | "all", patch: Partial<LayerView>): void {
  select({ layers: withLayer(view.peek(), which, extent.peek(), patch) });
}
