// The head of one layer's panel: its name, its mode, and the control that mode needs.
import type { HeadSort, LayerMode, LayerView } from "../../layout/layer_view";
import { html, setText } from "../dom";
import { createCutControl } from "./cut_control";
import { createPileControl } from "./pile_control";
import type { NetworkFrame } from "./props";

export interface LayerHeader {
  readonly root: HTMLElement;
  update(frame: NetworkFrame): void;
}

const MODES: readonly (readonly [LayerMode, string])[] = [
  ["sankey", "Sankey"],
  ["maps", "Maps"],
  ["piles", "Piles"],
];
const SORTS: readonly (readonly [HeadSort, string])[] = [
  ["head", "Head"],
  ["entropy", "Entropy"],
  ["position", "Position"],
];

export function createLayerHeader(layer: number): LayerHeader {
  const name = html("div", { class: "layer-name" });
  const controls = html("div", { class: "layer-controls" });
  const root = html("div", {
    class: "layer-head",
    role: "group",
    "aria-label": `Layer ${layer + 1}`,
  });
  let frame: NetworkFrame | null = null;
  const report = (patch: Partial<LayerView>): void => frame?.props.onLayer(layer, patch);
  const modes = segments(`Show layer ${layer + 1} as`, MODES, (mode) => report({ mode }));
  const sorts = segments(`Sort heads of layer ${layer + 1} by`, SORTS, (sort) => report({ sort }));
  const cut = createCutControl(layer, (next) => report({ cut: next }));
  const pile = createPileControl(layer, (distance) => report({ pile: distance }));
  const controlOf = { sankey: cut.root, maps: sorts.root, piles: pile.root };
  root.append(name, modes.root, controls);

  return {
    root,
    update(next) {
      frame = next;
      const view = next.props.layers[layer];
      const panel = next.geometry.panels[layer];
      if (!view || !panel) {
        return;
      }
      root.style.left = `${panel.headerX}px`;
      root.style.width = `${panel.headerWidth}px`;
      setText(name, titleOf(next, layer));
      name.title = next.props.part.layers[layer]?.name ?? "";
      modes.update(view.mode, {});
      const control = controlOf[view.mode];
      if (controls.firstChild !== control) {
        controls.replaceChildren(control);
      }
      cut.update(view.cut, next.props.query.length, next.props.key.length);
      pile.update(view.pile, next.props.piles?.[layer] ?? null);
      sorts.update(view.sort, missingSorts(next, layer));
    },
  };
}

function titleOf(frame: NetworkFrame, layer: number): string {
  return frame.props.part.kind === "cross"
    ? `Source → layer ${layer + 1} → target`
    : `Layer ${layer + 1}`;
}

/** Sort keys without values, with the reason shown as tooltip. */
function missingSorts(frame: NetworkFrame, layer: number): Partial<Record<HeadSort, string>> {
  const values = frame.props.sorts[layer];
  return {
    ...(values?.entropy ? {} : { entropy: "This recording has no metric “col_entropy” here" }),
    ...(values?.position ? {} : { position: "This recording has no metric “offset” here" }),
  };
}

interface Segments<Value extends string> {
  readonly root: HTMLElement;
  update(current: Value, disabled: Partial<Record<Value, string>>): void;
}

function segments<Value extends string>(
  name: string,
  options: readonly (readonly [Value, string])[],
  onChoose: (value: Value) => void,
): Segments<Value> {
  const buttons = options.map(([value, text]) => {
    const button = html("button", { type: "button" }, text);
    button.addEventListener("click", () => onChoose(value));
    return { value, button };
  });
  const root = html("div", { class: "segments small", role: "group", "aria-label": name });
  root.append(...buttons.map(({ button }) => button));
  return {
    root,
    update(current, disabled) {
      for (const { value, button } of buttons) {
        const reason = disabled[value];
        button.setAttribute("aria-pressed", String(value === current));
        button.disabled = reason !== undefined;
        button.title = reason ?? "";
      }
    },
  };
}
