// Which links of a layer are drawn: a rule and its amount.

import type { LinkCut } from "../../core/selection";
import { cutSlider } from "../../layout/network/link_cut";
import { cutLabel } from "../../scale/format";
import { html, setChanged, setText } from "../dom";

export interface CutControl {
  readonly root: HTMLElement;
  update(cut: LinkCut, queries: number, keys: number): void;
}

const RULES: readonly (readonly [LinkCut["kind"], string, string])[] = [
  ["even", "× even", "links from this many times even attention on; 8 at least, 150 at most"],
  ["value", "≥", "links from this weight on"],
  ["mass", "mass", "the strongest links that together carry this share of attention"],
  ["count", "top", "this many of the strongest links"],
];

export function createCutControl(layer: number, onCut: (cut: LinkCut) => void): CutControl {
  const rule = html("select", {
    class: "cut-rule",
    "aria-label": `Link rule of layer ${layer + 1}`,
  });
  rule.append(...RULES.map(([kind, text, title]) => html("option", { value: kind, title }, text)));
  const slider = html("input", {
    type: "range",
    "aria-label": `Link threshold of layer ${layer + 1}`,
  });
  const value = html("span", { class: "cut-value" });
  const root = html("div", { class: "cut" }, rule, slider, value);
  let size = { queries: 1, keys: 1 };

  rule.addEventListener("change", () => {
    const kind = RULES.find(([known]) => known === rule.value)?.[0];
    if (kind) {
      onCut({ kind, amount: cutSlider(kind, size.queries, size.keys).start });
    }
  });
  slider.addEventListener("input", () => {
    const kind = RULES.find(([known]) => known === rule.value)?.[0];
    if (kind) {
      onCut({ kind, amount: slider.valueAsNumber });
    }
  });

  return {
    root,
    update(cut, queries, keys) {
      size = { queries, keys };
      rule.value = cut.kind;
      const { min, max, step } = cutSlider(cut.kind, queries, keys);
      setChanged(slider, "min", String(min));
      setChanged(slider, "max", String(max));
      setChanged(slider, "step", String(step));
      if (slider.valueAsNumber !== cut.amount) {
        slider.value = String(cut.amount);
      }
      setText(value, cutLabel(cut));
    },
  };
}
