// What keys and buttons do. Everything goes through `select`, so the URL and every view follow.
import { signal } from "@preact/signals";
import type { HeadId } from "../core/recording";
import type { LayerView } from "../layout/network/layer_view";
import { nextMark } from "../layout/timeline";
import { isOnItsWay } from "../state/derived/drawn";
import { markedSteps } from "../state/derived/marks";
import {
  arrived,
  best,
  entry,
  extent,
  part,
  recording,
  select,
  stepIndex,
  steps,
  view,
} from "../state/store";
import {
  type Compare,
  type GraphState,
  type HeadsState,
  openLens,
  withLayer,
} from "../state/view_state";

const PLAY_INTERVAL = 450;
/** How soon to look again whether a step that was not on screen in time is there: two frames. */
const PLAY_RETRY = 32;

export const playing = signal(false);
export const helpOpen = signal(false);
export const railOpen = signal(false);
let timer: ReturnType<typeof setTimeout> | undefined;
let frame = 0;

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

/** Show the next marked step in a direction: B, the best validation, a raised signal. */
export function moveToMark(direction: -1 | 1): void {
  const here = stepIndex.peek();
  const target = nextMark(markedSteps.peek(), here, direction);
  if (target !== null) {
    goToIndex(target);
  }
}

export const goToNewest = (): void => goToIndex(steps.peek().length - 1);

export function setPlaying(next: boolean): void {
  clearTimeout(timer);
  cancelAnimationFrame(frame);
  playing.value = next;
  if (next) {
    if (stepIndex.peek() >= steps.peek().length - 1) {
      goToIndex(0);
    }
    timer = setTimeout(beat, PLAY_INTERVAL);
  }
}

/** Go on by one step; the beat waits for what is slower: the server, the drawing, the painting. */
function beat(): void {
  if (stepIndex.peek() >= steps.peek().length - 1) {
    setPlaying(false);
  } else if (isOnItsWay.peek()) {
    timer = setTimeout(beat, PLAY_RETRY);
  } else {
    // The task after the next frame: the step has been painted by then.
    frame = requestAnimationFrame(() => {
      timer = setTimeout(step, 0);
    });
  }
}

function step(): void {
  moveBy(1);
  timer = setTimeout(beat, PLAY_INTERVAL);
}

/** Hold the head this many layers and heads away from the held one, within the part. */
export function moveHead(layers: number, heads: number): void {
  const model = part.peek()?.layers ?? [];
  const held = view.peek().lock ?? { layer: 0, head: 0 };
  const layer = clamp(held.layer + layers, model.length - 1);
  const head = clamp(held.head + heads, (model[layer]?.heads ?? 1) - 1);
  select({ lock: { layer, head, key: null } });
}

/** Open HeadLens for the held head. */
export function openHeldLens(): void {
  const { lock } = view.peek();
  if (lock) {
    select({ lens: openLens(lock) });
  }
}

/** Hold a head, or none. */
export const selectHead = (head: HeadId | null): void =>
  select({ lock: head === null ? null : { ...head, key: null } });

/** Change how the Heads view is set. */
export const changeHeads = (patch: Partial<HeadsState>): void =>
  select({ heads: { ...view.peek().heads, ...patch } });

/** Pin the step with the lowest validation loss as B, and show the change from it. */
export function compareWithBest(): void {
  const run = recording.peek()?.name;
  const step = best.peek()?.step;
  if (run !== undefined && step !== undefined) {
    select({ reference: { run, step }, compare: "diff" });
  }
}

/** Select the token this many layers and tokens away, in the graph. */
export function moveNode(layers: number, tokens: number): void {
  const { graph } = view.peek();
  const node = {
    layer: clamp(graph.node.layer + layers, extent.peek().layers - 1),
    token: clamp(graph.node.token + tokens, extent.peek().keys - 1),
  };
  select({ graph: { ...graph, node } });
}

const clamp = (value: number, last: number): number => Math.max(0, Math.min(last, value));

/** Pin the shown step as the reference B. */
export function pinReference(): void {
  const run = recording.peek()?.name;
  const step = entry.peek()?.step;
  if (run !== undefined && step !== undefined) {
    select({ reference: { run, step } });
  }
}

export const setCompare = (compare: Compare): void => select({ compare });

export function setLayer(which: number | "all", patch: Partial<LayerView>): void {
  select({ layers: withLayer(view.peek(), which, extent.peek().layers, patch) });
}

/** Change some of the graph's settings. */
export const changeGraph = (patch: Partial<GraphState>): void =>
  select({ graph: { ...view.peek().graph, ...patch } });
