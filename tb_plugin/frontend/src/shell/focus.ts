// Keys reach a frame only while it has the focus, and opening a tab does not give it.
import { addressWindow } from "../state/hash";

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

/** Take the keys when the tab opens and whenever the pointer comes in. */
export function followFocus(): void {
  takeFocus();
  document.documentElement.addEventListener("pointerenter", takeFocus);
}
