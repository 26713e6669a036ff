// The head of one layer's panel: its name, its mode, and the control that mode needs.
import { isQuick, sortTitle } from "../../layout/network/head_sort";
import type { LayerMode, LayerView } from "../../layout/network/layer_view";
import { namedPiles } from "../../layout/network/pile_match";
import { fixed } from "../../scale/format";
import { html, setText } from "../dom";
import { createSegments } from "../segments";
import { createCutControl } from "./cut_control";
import type { NetworkFrame } from "./network_props";
import { createPileControl } from "./pile_control";
import { createSortControl } from "./sort_control";

export interface LayerHeader {
  readonly root: HTMLElement;
  update(frame: NetworkFrame): void;
}

const MODES: readonly (readonly [LayerMode, string])[] = [
  ["sankey", "Sankey"],
  ["maps", "Maps"],
  ["piles", "Piles"],
];

const AGREEMENT =
  "How far these piles are those of B, by the adjusted Rand index: 1 the same piles, 0 no more alike than by chance";

export function createLayerHeader(layer: number): LayerHeader {
  const name = html("span");
  const order = html("span", { class: "quiet" });
  const title = html("div", { class: "layer-name" }, name, order);
  const controls = html("div", { class: "layer-controls" });
  const root = html("div", {
    class: "layer-head",
    role: "group",
    "aria-label": `Layer ${layer + 1}`,
  });
  let frame: NetworkFrame | null = null;
  const report = (patch: Partial<LayerView>): void => frame?.props.onLayer(layer, patch);
  const modes = createSegments(`Show layer ${layer + 1} as`, MODES, (mode) => report({ mode }));
  const sorts = createSortControl(layer, (sort) => report({ sort }));
  const cut = createCutControl(layer, (next) => report({ cut: next }));
  const pile = createPileControl(layer, (distance) => report({ pile: distance }));
  const controlOf = { sankey: cut.root, maps: sorts.root, piles: pile.root };
  root.append(title, modes.root, controls);

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
      const said = remark(next, layer);
      setText(order, said);
      order.title = said.startsWith(" like B") ? AGREEMENT : said.trim();
      title.title = next.props.part.layers[layer]?.name ?? "";
      modes.update(view.mode);
      const control = controlOf[view.mode];
      if (controls.firstChild !== control) {
        controls.replaceChildren(control);
      }
      const { query, key, piles, sorts: values, metrics } = next.props;
      if (view.mode === "sankey") {
        cut.update(view.cut, query.length, key.length);
      } else if (view.mode === "maps") {
        sorts.update(view.sort, values[layer], metrics);
      } else {
        pile.update(view.pile, piles?.[layer] ?? null);
      }
    },
  };
}

function titleOf(frame: NetworkFrame, layer: number): string {
  return frame.props.part.kind === "cross"
    ? `Source → layer ${layer + 1} → target`
    : `Layer ${layer + 1}`;
}

/** What the controls have no room for: the metric in force, or how far piles agree with B's. */
function remark({ props }: NetworkFrame, layer: number): string {
  const view = props.layers[layer];
  if (view?.mode === "maps" && !isQuick(view.sort)) {
    return ` by ${sortTitle(view.sort, props.metrics)}`;
  }
  const tree = props.piles?.[layer];
  const before = props.pilesOfB?.[layer];
  if (view?.mode !== "piles" || !tree || !before) {
    return "";
  }
  const { agreement } = namedPiles(tree, before, view.pile);
  return agreement === null ? "" : ` like B ${fixed(agreement)}`;
}
