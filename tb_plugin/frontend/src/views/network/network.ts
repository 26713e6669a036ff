// The network view of SANVis: token columns, and between them one panel per layer.

import type { Maps } from "../../core/maps";
import type { HeldHead, PinnedToken } from "../../core/selection";
import { type Range, sizeOf } from "../../core/window";
import { type NetworkGeometry, networkGeometry } from "../../layout/network/columns";
import { type LayerNumbers, layerNumbers } from "../../layout/network/network_numbers";
import { html, setChanged, svg } from "../dom";
import { createTooltip } from "../tooltip";
import type { View } from "../view";
import { createLayerHeader, type LayerHeader } from "./layer_header";
import { createMapPanel, type MapEvents, type MapPanel, type MapTarget } from "./map_panel";
import { headsOf, type NetworkFrame, type NetworkProps } from "./network_props";
import { createPilePanel, type PilePanel } from "./pile_panel";
import { createPopup, type PopupTarget } from "./popup";
import { createSankey, type SankeyPanel } from "./sankey";
import { createSchedule } from "./schedule";
import { type BarTarget, createTokenColumns, type TokenColumns } from "./token_columns";

type Panel =
  | { readonly mode: "sankey"; readonly panel: SankeyPanel }
  | { readonly mode: "maps"; readonly panel: MapPanel }
  | { readonly mode: "piles"; readonly panel: PilePanel };

export function createNetwork(host: HTMLElement): View<NetworkProps> {
  const headerRow = html("div", { class: "layer-heads" });
  const linkLayer = svg("g", { class: "link-layer" });
  const tokenLayer = svg("g", { class: "token-layer" });
  const picture = svg("svg", { class: "network-picture" }, linkLayer, tokenLayer);
  const root = html("div", { class: "network" }, headerRow, picture);
  host.append(root);

  let frame: NetworkFrame | null = null;
  let headers: { readonly first: number; readonly rows: LayerHeader[] } = { first: 0, rows: [] };
  const panels = new Map<number, Panel>();
  const geometryOf = rememberGeometry();
  const tooltip = createTooltip(root);
  const togglePin = (token: PinnedToken): void => {
    const pin = frame?.props.pin;
    frame?.props.onPin(pin?.axis === token.axis && pin.index === token.index ? null : token);
  };
  const popup = createPopup(root, {
    onClose: () => frame?.props.onLock(null),
    onLens: (head) => frame?.props.onLens(head),
    onPin: (index) => togglePin({ axis: "key", index }),
  });

  const preview = (target: PopupTarget | null): void => {
    if (!frame || frame.props.lock) {
      return; // a held head stays until it is released
    }
    if (target) {
      popup.show(frame, target);
    } else {
      popup.hide();
    }
  };
  const toggleLock = (lock: HeldHead): void => {
    const held = frame?.props.lock;
    const same = held?.layer === lock.layer && held.head === lock.head && held.key === lock.key;
    frame?.props.onLock(same ? null : lock);
  };
  const fromBar = (bar: BarTarget): PopupTarget => ({
    ...bar,
    heads: [bar.head],
    query: null,
    locked: false,
  });
  const fromMap = ({ layer, head, heads, cell, box }: MapTarget): PopupTarget => ({
    layer,
    head,
    heads,
    query: cell?.query ?? null,
    key: cell?.key ?? null,
    box,
    locked: false,
  });

  const columns = createTokenColumns(tokenLayer, {
    onBar: (bar) => preview(bar && fromBar(bar)),
    onBarClick: ({ layer, head, key }) => toggleLock({ layer, head, key }),
    onTokenClick: togglePin,
    onTokenHover: (token) => hover(token),
  });

  const mapEvents: MapEvents = {
    onMap: (map) => preview(map && fromMap(map)),
    onMapClick: ({ layer, head }) => toggleLock({ layer, head, key: null }),
  };
  const createPanel = (layer: number, mode: Panel["mode"]): Panel => {
    switch (mode) {
      case "sankey":
        return { mode, panel: createSankey(linkLayer, root, layer, tooltip) };
      case "maps":
        return { mode, panel: createMapPanel(root, layer, mapEvents) };
      case "piles":
        return { mode, panel: createPilePanel(root, layer, mapEvents) };
    }
  };

  const panelFor = (layer: number, mode: Panel["mode"]): Panel => {
    const known = panels.get(layer);
    if (known?.mode === mode) {
      return known;
    }
    known?.panel.destroy();
    const made = createPanel(layer, mode);
    panels.set(layer, made);
    return made;
  };

  const dropPanels = ({ start, stop }: Range): void => {
    for (const [layer, { panel }] of panels) {
      if (layer < start || layer >= stop) {
        panel.destroy();
        panels.delete(layer);
      }
    }
  };

  /** One layer: the token columns that belong to it, and its panel. */
  const drawLayer = (layer: number): void => {
    const mode = frame?.props.layers[layer]?.mode;
    if (!frame || !mode) {
      return;
    }
    const { props, geometry } = frame;
    const numbers = numbersOf(props, props.maps, layer);
    const before = props.reference ? numbersOf(props, props.reference, layer) : null;
    for (const column of geometry.columns) {
      if (column.layer === layer) {
        columns.draw(frame, column, numbers, before);
      } else if (column.layer === null && column.after === layer) {
        columns.draw(frame, column, null, null);
      }
    }
    const made = panelFor(layer, mode);
    if (made.mode === "sankey") {
      made.panel.update(frame, numbers, before);
    } else {
      made.panel.update(frame);
    }
  };
  const schedule = createSchedule({
    draw: drawLayer,
    inSight: () => visibleLayers(host, frame),
    onDrawn: () => frame?.props.onDrawn(),
  });

  /** Light the links of the word under the pointer, in the layers in sight that show links. */
  const hover = (token: PinnedToken | null): void => {
    const same = token?.axis === frame?.hovered?.axis && token?.index === frame?.hovered?.index;
    if (!frame || same || schedule.busy()) {
      return;
    }
    const now: NetworkFrame = { ...frame, hovered: token };
    frame = now;
    for (const layer of visibleLayers(host, now)) {
      const made = panels.get(layer);
      if (made?.mode === "sankey") {
        const { maps, reference } = now.props;
        const before = reference ? numbersOf(now.props, reference, layer) : null;
        made.panel.update(now, numbersOf(now.props, maps, layer), before);
      }
    }
  };

  const updateHeaders = (next: NetworkFrame): void => {
    const { start } = next.props.range;
    const count = sizeOf(next.props.range);
    if (headers.rows.length !== count || headers.first !== start) {
      const rows = Array.from({ length: count }, (_, at) => createLayerHeader(start + at));
      headers = { first: start, rows };
      headerRow.replaceChildren(...rows.map((header) => header.root));
    }
    headerRow.style.width = `${next.geometry.width}px`;
    for (const header of headers.rows) {
      header.update(next);
    }
  };

  const showLocked = (next: NetworkFrame): void => {
    const { lock } = next.props;
    if (
      !lock ||
      lock.layer < next.props.range.start ||
      lock.layer >= next.props.range.stop ||
      lock.head >= headsOf(next.props, lock.layer)
    ) {
      popup.hide();
      return;
    }
    popup.show(next, {
      ...lock,
      heads: [lock.head],
      query: null,
      box: anchorOf(root, lock, columns),
      locked: true,
    });
  };

  return {
    update(props) {
      const next: NetworkFrame = { props, geometry: geometryOf(props), hovered: null };
      const wasLocked = frame?.props.lock ?? null;
      const how = frame && isNextStep(frame.props, props, schedule.busy()) ? "slices" : "at-once";
      frame = next;
      root.style.width = `${next.geometry.width}px`;
      root.style.height = `${next.geometry.height}px`;
      setChanged(picture, "width", String(next.geometry.width));
      setChanged(picture, "height", String(next.geometry.height));
      updateHeaders(next);
      columns.prepare(next);
      dropPanels(props.range);
      schedule.restart(props.range, how, next.geometry);
      if (props.lock || wasLocked) {
        showLocked(next);
      } else {
        popup.hide();
      }
    },
    destroy() {
      schedule.stop();
      popup.destroy();
      tooltip.destroy();
      root.remove();
    },
  };
}

/** While steps are played, other maps over the same marks come layer by layer; keys are not made to wait. */
const isNextStep = (before: NetworkProps, after: NetworkProps, drawing: boolean): boolean =>
  (before.playing || after.playing) &&
  before.query === after.query &&
  before.key === after.key &&
  before.range === after.range &&
  (drawing || before.maps !== after.maps || before.playing !== after.playing);

/** Where the held head was opened from: its bar, else its map, else the view itself. */
function anchorOf(root: HTMLElement, held: HeldHead, columns: TokenColumns): DOMRect {
  const { layer, head, key } = held;
  const map = root.querySelector(`canvas[data-layer="${layer}"][data-head="${head}"]`);
  return (
    (key === null ? map?.getBoundingClientRect() : null) ??
    columns.barBox({ layer, head, key: key ?? 0 }) ??
    root.getBoundingClientRect()
  );
}

/** Positions change with the window and the sentence, never with the step. */
function rememberGeometry(): (props: NetworkProps) => NetworkGeometry {
  let known: { key: string; geometry: NetworkGeometry } | null = null;
  return ({ viewport, layers, query, key, part, range, fit }) => {
    const shape = {
      layers: layers.length,
      range,
      queries: query.length,
      keys: key.length,
      cross: part.kind === "cross",
      fit,
    };
    const heads = part.layers.map((layer) => layer.heads);
    const signature = JSON.stringify([part.name, shape, heads, viewport]);
    if (known?.key !== signature) {
      known = { key: signature, geometry: networkGeometry(shape, viewport) };
    }
    return known.geometry;
  };
}

const numbersOf = (props: NetworkProps, maps: Maps, layer: number): LayerNumbers =>
  layerNumbers(maps, layer, headsOf(props, layer));

/** The layers of which any part lies between the edges of the scrolling window. */
function visibleLayers(host: HTMLElement, frame: NetworkFrame | null): number[] {
  const window = host.closest(".view")?.getBoundingClientRect();
  if (!window || !frame) {
    return [];
  }
  const { panels, tokenWidth, panelWidth } = frame.geometry;
  const { start, stop } = frame.props.range;
  const shift = host.getBoundingClientRect().left - window.left;
  return panels
    .slice(start, stop)
    .filter(
      ({ x }) => x + panelWidth + tokenWidth + shift > 0 && x - tokenWidth + shift < window.width,
    )
    .map(({ layer }) => layer);
}
