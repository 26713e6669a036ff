import { select, view } from "../state/store";
import { helpOpen, moveBy, playing, railOpen, setPlaying } from "./actions";

export interface KeyHelp {
  readonly keys: readonly string[];
  readonly action: string;
}

/** The key map shown by `?`; every line is wired below. */
export const KEY_HELP: readonly KeyHelp[] = [
  { keys: ["←", "→"], action: "one recorded step back, forward" },
  { keys: ["home", "end"], action: "first, newest recorded step (on the slider)" },
  { keys: ["space"], action: "play, pause" },
  { keys: ["/"], action: "filter the runs" },
  { keys: ["enter"], action: "hold the focused map open" },
  { keys: ["esc"], action: "release the held map, then the pinned token" },
  { keys: ["?"], action: "this list" },
];

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  target.matches("input:not([type=range]):not([type=checkbox]), textarea");

const usesArrows = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.matches("input[type=range], select, [role=slider]");

const usesSpace = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.matches("button, input, select, [role=slider]");

function release(): void {
  if (helpOpen.peek()) {
    helpOpen.value = false;
  } else if (view.peek().lock) {
    select({ lock: null });
  } else if (view.peek().pin) {
    select({ pin: null });
  } else {
    railOpen.value = false;
  }
}

function onKey(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey) {
    return;
  }
  if (event.key === "Escape") {
    release();
    return;
  }
  if (isTyping(event.target)) {
    return;
  }
  if ((event.key === "ArrowLeft" || event.key === "ArrowRight") && !usesArrows(event.target)) {
    event.preventDefault();
    moveBy(event.key === "ArrowLeft" ? -1 : 1);
  } else if (event.key === " " && !usesSpace(event.target)) {
    event.preventDefault();
    setPlaying(!playing.peek());
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
  return () => document.removeEventListener("keydown", onKey);
}
