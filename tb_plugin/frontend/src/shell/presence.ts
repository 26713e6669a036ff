// Whether the tab is on screen and whether keys reach it: a frame must find out both by itself.
import { addressWindow } from "../state/hash";

/**
 * Calls back whenever the tab starts or stops being on screen. TensorBoard keeps a hidden tab alive
 * with height 0 and no `visibilitychange`.
 */
export function followVisibility(onChange: (visible: boolean) => void): void {
  let inView = true;
  const report = (): void => onChange(inView && document.visibilityState === "visible");
  new IntersectionObserver((entries) => {
    inView = entries.at(-1)?.isIntersecting ?? true;
    report();
  }).observe(document.body);
  document.addEventListener("visibilitychange", report);
}

/** Is the user typing somewhere in the host page? */
function typingInHost(): boolean {
  const active = addressWindow().document.activeElement;
  return active?.matches("input, textarea, select, [contenteditable]") ?? false;
}

function takeFocus(): void {
  if (!document.hasFocus() && !typingInHost()) {
    window.focus();
  }
}

/**
 * Take the keys when the tab opens and whenever the pointer comes in: they reach a frame only while
 * it has the focus, and opening a tab does not give it.
 */
export function followFocus(): void {
  takeFocus();
  document.documentElement.addEventListener("pointerenter", takeFocus);
}
