// A row of buttons of which one is pressed, for headers that views draw themselves.
import { html, setChanged } from "./dom";

export interface Segments<Value extends string> {
  readonly root: HTMLElement;
  /** Press one; others may be disabled, with the reason as their tooltip. */
  update(current: Value, disabled?: Partial<Record<Value, string>>): void;
}

export function createSegments<Value extends string>(
  name: string,
  options: readonly (readonly [value: Value, text: string, title?: string])[],
  onChoose: (value: Value) => void,
): Segments<Value> {
  const buttons = options.map(([value, text, title = ""]) => {
    const button = html("button", { type: "button" }, text);
    button.addEventListener("click", () => onChoose(value));
    return { value, button, title };
  });
  const root = html("div", { class: "segments small", role: "group", "aria-label": name });
  root.append(...buttons.map(({ button }) => button));
  return {
    root,
    update(current, disabled = {}) {
      for (const { value, button, title } of buttons) {
        const reason = disabled[value];
        setChanged(button, "aria-pressed", String(value === current));
        button.disabled = reason !== undefined;
        setChanged(button, "title", reason ?? title);
      }
    },
  };
}
