import { render as mount } from "preact";
import type { DataSource } from "../api/source";
import { startLoader } from "../state/loader";
import { startMirror } from "../state/mirror";
import { forgetWidths } from "../views/measure";
import { App } from "./App";
import { Guard } from "./Guard";
import { followFocus, followVisibility } from "./presence";
import { followTheme } from "./theme";

/** Show the tab on data from anywhere; `styleSheet` is the address of its style sheet. */
export function show(source: DataSource, styleSheet: string): void {
  document.documentElement.lang = "en";
  document.title = "Attention";
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = styleSheet;
  document.head.append(link);
  const root = document.createElement("div");
  root.className = "root";
  document.body.append(root);

  const stopTheme = followTheme();
  followFocus();
  const mirror = startMirror();
  // The page around the frame outlives it: what still listened there would go on writing its address.
  addEventListener("pagehide", ({ persisted }) => {
    if (!persisted) {
      stopTheme();
      mirror.stop();
    }
  });
  const loader = startLoader(source);
  followVisibility((visible) => loader.setVisible(visible));
  const start = (): void => {
    forgetWidths();
    mount(
      <Guard>
        <App loader={loader} mirror={mirror} />
      </Guard>,
      root,
    );
  };
  link.addEventListener("load", () => {
    // Labels are fitted to the font's widths, so the first picture waits for it, but not for long.
    const fonts = Promise.all(
      ["400 12px Roboto", "500 12px Roboto"].map((font) => document.fonts.load(font)),
    );
    const patience = new Promise((resolve) => setTimeout(resolve, 800));
    void Promise.race([fonts, patience]).then(start, start);
  });
  link.addEventListener("error", start);
}
