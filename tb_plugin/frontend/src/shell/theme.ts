// Dark or light as TensorBoard is: there is no message for it, only the class on its body.
import { signal } from "@preact/signals";
import { headColour, headGround, type Theme } from "../scale/head_colours";
import { RUN_COUNT, runColour } from "../scale/runs";
import { addressWindow } from "../state/hash";

export const theme = signal<Theme>("light");

function hostDocument(): Document {
  try {
    return addressWindow().document;
  } catch {
    return document;
  }
}

const themeOf = (page: Document): Theme =>
  page.body.classList.contains("dark-mode") || page.body.classList.contains("dark")
    ? "dark"
    : "light";

function apply(next: Theme): void {
  theme.value = next;
  const root = document.documentElement;
  root.dataset.theme = next;
  for (let run = 0; run < RUN_COUNT; run++) {
    root.style.setProperty(`--run-${run}`, runColour(run, next));
  }
  for (let head = 0; head < 16; head++) {
    root.style.setProperty(`--head-${head}`, headColour(head, next));
    root.style.setProperty(`--head-ground-${head}`, headGround(head, next));
  }
}

/** Look like the page around the frame; returns how to stop following it. */
export function followTheme(): () => void {
  const page = hostDocument();
  apply(themeOf(page));
  const observer = new MutationObserver(() => apply(themeOf(page)));
  observer.observe(page.body, { attributes: true, attributeFilter: ["class"] });
  return () => observer.disconnect();
}

/** Alone in a file there is no TensorBoard to follow, only the system's wish. */
export function followSystem(): void {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const tell = (): void => void document.body.classList.toggle("dark-mode", dark.matches);
  dark.addEventListener("change", tell);
  tell();
}
