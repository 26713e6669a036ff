import { html } from "./dom";

/** One line of a tooltip; `strong` is its title, `quiet` an explanation. */
export interface TipLine {
  readonly text: string;
  readonly tone?: "strong" | "quiet";
}

export interface Tooltip {
  show(at: { clientX: number; clientY: number }, lines: readonly TipLine[]): void;
  hide(): void;
  destroy(): void;
}

const AWAY = 14;
const EDGE = 8;

export function createTooltip(host: HTMLElement): Tooltip {
  const root = html("div", { class: "tip", role: "tooltip" });
  root.hidden = true;
  host.append(root);
  return {
    show(at, lines) {
      root.replaceChildren(
        ...lines.map(({ text, tone }) => html("div", tone ? { class: tone } : {}, text)),
      );
      root.hidden = false;
      const box = root.getBoundingClientRect();
      root.style.left = `${Math.min(window.innerWidth - box.width - EDGE, at.clientX + AWAY)}px`;
      root.style.top = `${Math.min(window.innerHeight - box.height - EDGE, at.clientY + AWAY)}px`;
    },
    hide() {
      root.hidden = true;
    },
    destroy: () => root.remove(),
  };
}
