// Small multiples of one layer: a map per head, in the chosen order.
import { BY_NUMBER, sortedHeads } from "../../layout/network/head_sort";
import { LABEL_HEIGHT, mapGrid } from "../../layout/network/map_grid";
import { shownMap } from "../../layout/network/network_numbers";
import { headLabel, metricValue, signed } from "../../scale/format";
import { attentionRamp, differenceRamp } from "../../scale/ramps";
import { headBadge, html, setText } from "../dom";
import { type Cell, cellAt, drawHeat, framed } from "../heat";
import { coloured, headsOf, isSquare, type NetworkFrame } from "./network_props";
import { placePanel } from "./panel";

export interface MapTarget {
  readonly layer: number;
  readonly head: number;
  /** All heads of a pile; the one head of a single map. */
  readonly heads: readonly number[];
  readonly cell: Cell | null;
  readonly box: DOMRect;
}

export interface MapEvents {
  readonly onMap: (map: MapTarget | null) => void;
  readonly onMapClick: (map: MapTarget) => void;
}

export interface MapPanel {
  update(frame: NetworkFrame): void;
  destroy(): void;
}

interface MapNodes {
  readonly root: HTMLElement;
  readonly value: HTMLElement;
  readonly canvas: HTMLCanvasElement;
}

export function createMapPanel(host: HTMLElement, layer: number, events: MapEvents): MapPanel {
  const root = html("div", { class: "panel" });
  const sticky = html("div", { class: "map-sticky" });
  root.append(sticky);
  host.append(root);
  let maps: MapNodes[] = [];
  let frame: NetworkFrame | null = null;

  const target = (head: number, event: MouseEvent | null): MapTarget | null => {
    const canvas = maps[head]?.canvas;
    if (!frame || !canvas) {
      return null;
    }
    const matrix = shownMap(frame.props.maps, null, layer, head);
    const cell = event ? cellAt(canvas, matrix, event) : null;
    return { layer, head, heads: [head], cell, box: canvas.getBoundingClientRect() };
  };

  const createMap = (head: number): MapNodes => {
    const canvas = html("canvas", { class: "heat", role: "img", tabindex: 0 });
    const value = html("span", { class: "map-value" });
    const node = html("div", { class: "map" });
    node.append(html("div", { class: "map-label" }, headBadge(head), value), canvas);
    const click = (event: MouseEvent | null): void => {
      const map = target(head, event);
      if (map) {
        events.onMapClick(map);
      }
    };
    canvas.addEventListener("pointermove", (event) => events.onMap(target(head, event)));
    canvas.addEventListener("pointerleave", () => events.onMap(null));
    canvas.addEventListener("focus", () => {
      if (canvas.matches(":focus-visible")) {
        events.onMap(target(head, null));
      }
    });
    canvas.addEventListener("blur", () => events.onMap(null));
    canvas.addEventListener("click", click);
    canvas.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        event.preventDefault();
        click(null);
      }
    });
    return { root: node, value, canvas };
  };

  return {
    update(next) {
      frame = next;
      const heads = headsOf(next.props, layer);
      if (maps.length !== heads) {
        maps = Array.from({ length: heads }, (_, head) => createMap(head));
        sticky.replaceChildren(...maps.map((map) => map.root));
      }
      placePanel(root, next, layer);
      sticky.style.height = `${next.geometry.visibleHeight}px`;
      sticky.style.top = `${next.geometry.bodyTop}px`;
      const { metrics, sorts, layers } = next.props;
      const order = sortedHeads(heads, layers[layer]?.sort ?? BY_NUMBER, sorts[layer], metrics);
      arrange(sticky, maps, order, next);
      maps.forEach((map, head) => {
        paint(map, next, layer, head);
      });
    },
    destroy: () => root.remove(),
  };
}

/** Move maps to their places; nodes follow the visible order for keyboard and screen reader. */
function arrange(
  sticky: HTMLElement,
  maps: readonly MapNodes[],
  order: readonly number[],
  frame: NetworkFrame,
): void {
  const { geometry } = frame;
  const grid = mapGrid(maps.length, geometry.panelWidth, geometry.visibleHeight);
  order.forEach((head, place) => {
    const map = maps[head];
    const cell = grid.cells[place];
    if (map && cell) {
      map.root.style.transform = `translate(${cell.x}px,${cell.y}px)`;
      map.root.style.width = `${grid.size}px`;
      map.canvas.style.width = `${grid.size}px`;
      map.canvas.style.height = `${grid.size}px`;
      map.canvas.style.marginTop = `${LABEL_HEIGHT - 15}px`;
      if (sticky.children[place] !== map.root) {
        sticky.insertBefore(map.root, sticky.children[place] ?? null);
      }
    }
  });
}

function paint(map: MapNodes, frame: NetworkFrame, layer: number, head: number): void {
  const { props } = frame;
  const { theme, lock } = props;
  const size = Number.parseFloat(map.canvas.style.width);
  const shown = shownMap(props.maps, props.reference, layer, head);
  drawHeat(map.canvas, coloured(shown, props, layer), {
    width: size,
    height: size,
    ramp: props.reference ? differenceRamp(theme) : attentionRamp(head, theme),
    theme,
    diagonal: isSquare(props),
    ...framed(props.pin),
  });
  map.canvas.setAttribute("data-layer", String(layer));
  map.canvas.setAttribute("data-head", String(head));
  map.canvas.setAttribute(
    "aria-label",
    `Attention of ${headLabel({ layer, head })}, ${props.label}`,
  );
  map.canvas.classList.toggle("held", lock?.layer === layer && lock.head === head);
  setText(map.value, valueText(frame, layer, head));
}

/** The value that put a head in its place, with a sign where the metric can be negative. */
function valueText({ props }: NetworkFrame, layer: number, head: number): string {
  const sort = props.layers[layer]?.sort;
  const spec = props.metrics.find(({ name }) => name === sort);
  const value = spec && props.sorts[layer]?.get(spec.name)?.[head];
  if (value === undefined) {
    return "";
  }
  return (spec?.low ?? 0) < 0 ? signed(value) : metricValue(value);
}
