import { select, view } from "../state/store";
import { type Compare, TABS } from "../state/view_state";
import {
  helpOpen,
  moveBy,
  moveHead,
  moveNode,
  moveToMark,
  openHeldLens,
  pinReference,
  playing,
  railOpen,
  setCompare,
  setPlaying,
} from "./actions";

export interface KeyHelp {
  readonly keys: readonly string[];
  readonly action: string;
}

/** The key map shown by `?`; every line is wired below. */
export const KEY_HELP: readonly KeyHelp[] = [
  { keys: ["←", "→"], action: "one recorded step back, forward" },
  { keys: ["shift ←", "shift →"], action: "previous, next mark: B, best validation, signal" },
  { keys: ["home", "end"], action: "first, newest recorded step (on the slider)" },
  { keys: ["space"], action: "play, pause" },
  { keys: ["b"], action: "pin the shown step as B" },
  { keys: ["x"], action: "hold to blink to B" },
  { keys: ["d"], action: "A − B on, off" },
  { keys: ["1", "2", "3", "4"], action: "Network, Heads, Graph, Signals" },
  { keys: ["h", "l"], action: "previous, next head (in Graph: token)" },
  { keys: ["k", "j"], action: "previous, next layer" },
  { keys: ["/"], action: "filter the runs" },
  { keys: ["enter"], action: "hold the focused map open; HeadLens of the held head" },
  { keys: ["esc"], action: "release the held map, close HeadLens, release the pinned token" },
  { keys: ["?"], action: "this list" },
];

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  target.matches("input:not([type=range]):not([type=checkbox]), textarea");

const usesArrows = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.matches("input[type=range], select, [role=slider]");

const usesSpace = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.matches("button, input, select, [role=slider]");

/** Whether what is focused was reached by a click: it has the focus, but nobody looks at it. */
let byPointer = true;

/** Nothing that has an Enter of its own is focused, or only since it was clicked. */
const isIdle = (target: EventTarget | null): boolean =>
  target instanceof Element &&
  (target.matches("body, section, main, [role=slider]") ||
    (byPointer && target.matches("button, [role=button], canvas")));

const onPointer = (): void => {
  byPointer = true;
};

function release(): void {
  if (helpOpen.peek()) {
    helpOpen.value = false;
  } else if (view.peek().lock) {
    select({ lock: null });
  } else if (view.peek().lens) {
    select({ lens: null });
  } else if (view.peek().pin) {
    select({ pin: null });
  } else {
    railOpen.value = false;
  }
}

const HEAD_MOVES: Readonly<Record<string, [layers: number, heads: number]>> = {
  h: [0, -1],
  l: [0, 1],
  k: [-1, 0],
  j: [1, 0],
};

/** What was compared before `x` was pressed; null while it is not held. */
let beforeBlink: Compare | null = null;

function onKeyUp(event: KeyboardEvent): void {
  if (event.key === "x" && beforeBlink !== null) {
    setCompare(beforeBlink);
    beforeBlink = null;
  }
}

function onKey(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey) {
    return;
  }
  byPointer &&= event.key !== "Tab";
  if (event.key === "Escape") {
    release();
    return;
  }
  if (isTyping(event.target)) {
    return;
  }
  if ((event.key === "ArrowLeft" || event.key === "ArrowRight") && !usesArrows(event.target)) {
    event.preventDefault();
    const direction = event.key === "ArrowLeft" ? -1 : 1;
    (event.shiftKey ? moveToMark : moveBy)(direction);
  } else if (event.key === "Enter" && isIdle(event.target) && view.peek().lock) {
    event.preventDefault(); // a button that was clicked would be pressed again
    openHeldLens();
  } else if (event.key === " " && !usesSpace(event.target)) {
    event.preventDefault();
    setPlaying(!playing.peek());
  } else if (event.key === "b") {
    pinReference();
  } else if (event.key === "x" && !event.repeat) {
    beforeBlink ??= view.peek().compare;
    setCompare("B");
  } else if (event.key === "d") {
    setCompare(view.peek().compare === "diff" ? "A" : "diff");
  } else if (event.key in HEAD_MOVES) {
    const move = view.peek().tab === "graph" ? moveNode : moveHead;
    move(...(HEAD_MOVES[event.key] ?? [0, 0]));
  } else if (TABS[Number(event.key) - 1]) {
    select({ tab: TABS[Number(event.key) - 1]?.tab ?? "network" });
  } else if (event.key === "?") {
    helpOpen.value = !helpOpen.peek();
  } else if (event.key === "/") {
    event.preventDefault();
    railOpen.value = true;
    document.querySelector<HTMLInputElement>("#run-filter")?.focus();
  }
}

/** Listen for keys; returns how to stop. */
export function listenToKeys(): () => void {
  document.addEventListener("keydown", onKey);
  document.addEventListener("keyup", onKeyUp);
  document.addEventListener("pointerdown", onPointer);
  return () => {
    document.removeEventListener("keydown", onKey);
    document.removeEventListener("keyup", onKeyUp);
    document.removeEventListener("pointerdown", onPointer);
  };
}
