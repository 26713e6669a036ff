// Piles of one layer: heads that do the same as one stack with their numbers on top.
import type { Matrix } from "../../core/maps";
import { shownPile } from "../../layout/network/network_numbers";
import { namedPiles, pileLetter } from "../../layout/network/pile_match";
import { type PilePlace, placePiles } from "../../layout/network/pile_places";
import { headLabel } from "../../scale/format";
import { attentionRamp, differenceRamp } from "../../scale/ramps";
import { headBadge, html, setAll, setText } from "../dom";
import { cellAt, drawHeat } from "../heat";
import type { MapEvents, MapTarget } from "./map_panel";
import { coloured, isSquare, type NetworkFrame } from "./network_props";
import { placePanel } from "./panel";

export interface PilePanel {
  update(frame: NetworkFrame): void;
  destroy(): void;
}

interface PileNodes {
  readonly root: HTMLElement;
  readonly canvas: HTMLCanvasElement;
}

/** As many badges as a narrow label holds; the rest is counted. */
const BADGE_WIDTH = 20;
const LETTER_WIDTH = 14;

export function createPilePanel(host: HTMLElement, layer: number, events: MapEvents): PilePanel {
  const sticky = html("div", { class: "map-sticky" });
  const root = html("div", { class: "panel" }, sticky);
  const waiting = html("p", { class: "note panel-wait" });
  host.append(root);
  const known = new Map<string, PileNodes>();
  let frame: NetworkFrame | null = null;

  const createPile = (heads: readonly number[]): PileNodes => {
    const canvas = html("canvas", { class: "heat", role: "img", tabindex: 0 });
    const badges = html("div", { class: "map-label pile-label" });
    const node = html("div", { class: `map pile${stackClass(heads.length)}` }, badges, canvas);
    const target = (event: MouseEvent | null): MapTarget | null => {
      const head = heads[0];
      if (!frame || head === undefined) {
        return null;
      }
      const map = pileMap(frame, layer, heads);
      const cell = event ? cellAt(canvas, map, event) : null;
      return { layer, head, heads, cell, box: canvas.getBoundingClientRect() };
    };
    canvas.addEventListener("pointermove", (event) => events.onMap(target(event)));
    canvas.addEventListener("pointerleave", () => events.onMap(null));
    const hold = (event: MouseEvent | null): void => {
      const map = target(event);
      if (map && heads.length === 1) {
        events.onMapClick(map);
      }
    };
    canvas.addEventListener("click", hold);
    canvas.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        hold(null);
      }
    });
    return { root: node, canvas };
  };

  return {
    update(next) {
      frame = next;
      placePanel(root, next, layer);
      sticky.style.height = `${next.geometry.visibleHeight}px`;
      sticky.style.top = `${next.geometry.bodyTop}px`;
      const tree = next.props.piles?.[layer];
      if (!tree) {
        known.clear();
        setText(waiting, next.props.pilesProblem ?? "Comparing heads…");
        sticky.replaceChildren(waiting);
        return;
      }
      const { piles } = namedPiles(
        tree,
        next.props.pilesOfB?.[layer] ?? null,
        next.props.layers[layer]?.pile ?? 0,
      );
      const places = placePiles(piles, next.geometry.panelWidth, next.geometry.visibleHeight);
      const nodes = places.map((place) => {
        const key = place.heads.join(" ");
        const pile = known.get(key) ?? createPile(place.heads);
        known.set(key, pile);
        paint(pile, place, next, layer);
        return pile;
      });
      sticky.replaceChildren(...nodes.map((pile) => pile.root));
      for (const [key, pile] of known) {
        if (!nodes.includes(pile)) {
          known.delete(key);
        }
      }
    },
    destroy: () => root.remove(),
  };
}

const stackClass = (heads: number): string => (heads > 3 ? " stack2" : heads > 1 ? " stack1" : "");

const pileMap = ({ props }: NetworkFrame, layer: number, heads: readonly number[]): Matrix =>
  shownPile(props.maps, props.reference, layer, heads);

function paint(pile: PileNodes, place: PilePlace, frame: NetworkFrame, layer: number): void {
  const { props } = frame;
  const { heads, x, y, size } = place;
  const [first = 0] = heads;
  const single = heads.length === 1 ? first : null;
  pile.root.style.transform = `translate(${x}px,${y}px)`;
  pile.root.style.width = `${size}px`;
  const letter = single === null && place.name !== null ? LETTER_WIDTH : 0;
  const room = place.room - letter;
  const fits = Math.max(
    1,
    Math.floor(room / BADGE_WIDTH) - (heads.length > room / BADGE_WIDTH ? 1 : 0),
  );
  pile.root.firstElementChild?.replaceChildren(
    ...(place.name === null || single !== null
      ? []
      : [html("span", { class: "pile-letter" }, pileLetter(place.name))]),
    ...heads.slice(0, fits).map(headBadge),
    ...(heads.length > fits
      ? [html("span", { class: "map-value" }, `+${heads.length - fits}`)]
      : []),
  );
  drawHeat(pile.canvas, coloured(pileMap(frame, layer, heads), props, layer), {
    width: size,
    height: size,
    ramp: props.reference ? differenceRamp(props.theme) : attentionRamp(single, props.theme),
    theme: props.theme,
    diagonal: isSquare(props),
  });
  const name =
    single === null
      ? `Pile${place.name === null ? "" : ` ${pileLetter(place.name)}`} of ${heads.map((head) => headLabel({ layer, head })).join(", ")}`
      : `Attention of ${headLabel({ layer, head: single })}`;
  pile.canvas.title = single === null ? `heads ${heads.map((head) => head + 1).join(" ")}` : "";
  pile.canvas.setAttribute("aria-label", `${name}, ${props.label}`);
  pile.canvas.setAttribute("data-layer", String(layer));
  pile.canvas.setAttribute("data-heads", heads.join(" "));
  setAll(pile.canvas, { "data-pile": place.name === null ? null : pileLetter(place.name) });
}
