// Layers x heads of small maps: all heads at A, or their change from B, at a glance.
import type { HeadId, Part } from "../../core/recording";
import { CELL_GAP, lineGrid } from "../../layout/heads/life_lines";
import type { Viewport } from "../../layout/network/columns";
import { headTitle } from "../../scale/format";
import { headBadge, html } from "../dom";
import type { View } from "../view";
import { createInSight, type MapSource, paintThumb, thumbCanvas } from "./thumb";

export interface MapsProps {
  readonly viewport: Viewport;
  readonly part: Part;
  readonly source: MapSource;
  readonly selected: HeadId | null;
  readonly onSelect: (head: HeadId | null) => void;
}

const INSET = 4;

export function createHeadMaps(host: HTMLElement): View<MapsProps> {
  const numbers = html("div", { class: "grid-heads" });
  const cells = html("div", { class: "map-cells" });
  const root = html("div", { class: "grid" }, numbers, cells);
  host.append(root);
  const sight = createInSight();
  let props: MapsProps | null = null;
  let buttons: { readonly node: HTMLElement; readonly id: HeadId }[] = [];

  const build = (next: MapsProps): void => {
    const { part, viewport } = next;
    const heads = Math.max(1, ...part.layers.map((layer) => layer.heads));
    const grid = lineGrid(part.layers.length, heads, viewport);
    const box = { width: grid.cellWidth - CELL_GAP, height: grid.cellHeight - CELL_GAP };
    const size = Math.floor(Math.min(box.width, box.height) - 2 * INSET);
    sight.clear();
    numbers.style.width = `${grid.width}px`;
    numbers.replaceChildren(
      ...Array.from({ length: heads }, (_, head) => {
        const badge = headBadge(head);
        badge.style.left = `${grid.left + (head + 0.5) * grid.cellWidth - CELL_GAP / 2}px`;
        return badge;
      }),
    );
    cells.style.width = `${grid.width}px`;
    cells.style.height = `${grid.height}px`;
    buttons = part.layers.flatMap((layer, at) =>
      Array.from({ length: layer.heads }, (_, head) => {
        const id = { layer: at, head };
        const canvas = thumbCanvas(id);
        const node = html(
          "button",
          { type: "button", class: "map-cell", title: headTitle(id), "aria-label": headTitle(id) },
          canvas,
        );
        node.style.left = `${grid.left + head * grid.cellWidth}px`;
        node.style.top = `${grid.top + at * grid.cellHeight}px`;
        node.style.width = `${box.width}px`;
        node.style.height = `${box.height}px`;
        node.addEventListener("click", () => choose(id));
        sight.watch(node, () => {
          if (props) {
            paintThumb(canvas, props.source, id, size);
          }
        });
        return { node, id };
      }),
    );
    const names = part.layers.map((_, layer) => {
      const name = html("span", { class: "map-layer" }, `L${layer + 1}`);
      name.style.top = `${grid.top + (layer + 0.5) * grid.cellHeight - 12}px`;
      return name;
    });
    cells.replaceChildren(...names, ...buttons.map(({ node }) => node));
  };
  const choose = (id: HeadId): void => {
    const held = props?.selected;
    props?.onSelect(held?.layer === id.layer && held.head === id.head ? null : id);
  };

  return {
    update(next) {
      const before = props;
      props = next;
      if (!before || before.viewport !== next.viewport || before.part !== next.part) {
        build(next);
      } else if (before.source !== next.source) {
        sight.refresh();
      }
      const { selected } = next;
      for (const { node, id } of buttons) {
        const pressed = selected?.layer === id.layer && selected.head === id.head;
        node.setAttribute("aria-pressed", String(pressed));
      }
    },
    destroy() {
      sight.clear();
      root.remove();
    },
  };
}
