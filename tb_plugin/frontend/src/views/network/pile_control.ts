// The distance up to which heads are piled, with a tick where each merge will happen.
import type { PileTree } from "../../core/recording";
import { PILE_LIMIT, pilesAt } from "../../layout/network/pile_places";
import { fixed } from "../../scale/format";
import { html, setText, svg } from "../dom";

export interface PileControl {
  readonly root: HTMLElement;
  update(distance: number, tree: PileTree | null): void;
}

const WIDTH = 70;
/** Half a slider thumb: its middle cannot reach the ends of the track. */
const INSET = 4;

export function createPileControl(
  layer: number,
  onDistance: (distance: number) => void,
): PileControl {
  const slider = html("input", {
    type: "range",
    min: 0,
    max: PILE_LIMIT,
    step: 0.01,
    "aria-label": `Pile distance of layer ${layer + 1}`,
  });
  const ticks = svg("svg", { class: "pile-ticks", width: WIDTH, height: 5, "aria-hidden": "true" });
  const value = html("span", { class: "cut-value" });
  const count = html("span", { class: "note" });
  const root = html(
    "div",
    { class: "cut" },
    html("div", { class: "pile-slider" }, slider, ticks),
    value,
    count,
  );
  let ticked: PileTree | null = null;
  slider.addEventListener("input", () => onDistance(slider.valueAsNumber));
  return {
    root,
    update(distance, tree) {
      if (slider.valueAsNumber !== distance) {
        slider.value = String(distance);
      }
      setText(value, fixed(distance));
      const piles = tree ? pilesAt(tree, distance).length : 0;
      setText(count, tree ? `${piles} ${piles === 1 ? "pile" : "piles"}` : "");
      if (tree !== ticked) {
        ticked = tree;
        ticks.replaceChildren(
          ...(tree?.merges ?? []).map(([, , height]) => {
            const x = INSET + Math.min(1, height / PILE_LIMIT) * (WIDTH - 2 * INSET);
            return svg("line", { x1: x, x2: x, y1: 0, y2: 5 });
          }),
        );
      }
    },
  };
}
