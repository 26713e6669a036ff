// Token columns: every token's box, its word, and one bar per head.
import type { Axis } from "../../core/axis";
import { keyShares } from "../../core/maps";
import type { PinnedToken } from "../../core/selection";
import { BAR_DOMAIN, barHeight, barPlace, headAt } from "../../layout/network/bars";
import type { NetworkGeometry, TokenColumn } from "../../layout/network/columns";
import type { LayerNumbers } from "../../layout/network/network_numbers";
import { tokenText } from "../../scale/text";
import { setAll, setChanged, svg, thumbnail } from "../dom";
import { fitLabel } from "../measure";
import { evenOf, headsOf, type NetworkFrame } from "./network_props";

export interface BarTarget {
  readonly layer: number;
  readonly head: number;
  readonly key: number;
  readonly box: DOMRect;
}

export interface TokenEvents {
  readonly onBar: (bar: BarTarget | null) => void;
  readonly onBarClick: (bar: BarTarget) => void;
  readonly onTokenClick: (token: PinnedToken) => void;
  readonly onTokenHover: (token: PinnedToken | null) => void;
}

interface ColumnNodes {
  readonly root: SVGGElement;
  readonly column: TokenColumn;
  readonly boxes: readonly SVGRectElement[];
  readonly bars: readonly SVGPathElement[];
  readonly caps: readonly SVGPathElement[];
  readonly before: SVGPathElement;
  /** Shares of attention that the bars show, [head][token]. */
  shares: LayerNumbers["shares"];
}

/** What a box is of. */
interface Place extends PinnedToken {
  readonly nodes: ColumnNodes;
}

export interface TokenColumns {
  /** Forget columns that no longer fit the sentence, the window or the model. */
  prepare(frame: NetworkFrame): void;
  /** Where on the page a head's bar of a key stands; null where it is not drawn. */
  barBox(bar: Omit<BarTarget, "box">): DOMRect | null;
  /** Draw one column: its boxes if they are not there yet, then its bars. */
  draw(
    frame: NetworkFrame,
    column: TokenColumn,
    numbers: LayerNumbers | null,
    before: LayerNumbers | null,
  ): void;
}

export function createTokenColumns(root: SVGGElement, events: TokenEvents): TokenColumns {
  const columns = new Map<string, ColumnNodes>();
  let built: { geometry: NetworkGeometry; query: Axis; key: Axis } | null = null;
  const places = new Map<EventTarget, Place>();
  // One frame for the bar under the pointer: a target for every bar would be thousands of nodes.
  const slot = svg("rect", { class: "bar-slot" });
  let pointed: { place: Place; head: number | null } | null = null;

  const placeOf = ({ target }: Event): Place | undefined =>
    target === null ? undefined : places.get(target);
  const headUnder = ({ nodes, index }: Place, { clientX }: MouseEvent): number | null => {
    const left = nodes.boxes[index]?.getBoundingClientRect().left ?? 0;
    return headAt(clientX - left, nodes.bars.length, built?.geometry.tokenWidth ?? 0);
  };
  const barOf = ({ nodes, index }: Place, head: number | null): BarTarget | null => {
    const box = nodes.boxes[index]?.getBoundingClientRect();
    const { layer } = nodes.column;
    if (!box || layer === null || head === null || !built) {
      return null;
    }
    const { x, width } = barPlace(head, nodes.bars.length, built.geometry.tokenWidth);
    return {
      layer,
      head,
      key: index,
      box: new DOMRect(box.left + x, box.top, width, box.height),
    };
  };
  const showSlot = (): void => {
    if (!pointed || pointed.head === null || !built) {
      slot.remove();
      return;
    }
    const { geometry, key } = built;
    const { head, place } = pointed;
    const { nodes, index } = place;
    const row = rowOf(geometry, nodes.column);
    setAll(slot, {
      ...barPlace(head, nodes.bars.length, geometry.tokenWidth),
      y: index * row,
      height: row - geometry.rowGap,
      "data-layer": nodes.column.layer,
      "data-head": head,
      "data-token": key[index]?.members[0] ?? index,
      "data-value": nodes.shares[head]?.[index] ?? 0,
    });
    if (slot.parentNode !== nodes.root) {
      nodes.root.append(slot);
    }
  };
  const point = (place: Place | null, head: number | null): void => {
    if (place?.nodes === pointed?.place.nodes && place?.index === pointed?.place.index) {
      if (head === (pointed?.head ?? null)) {
        return;
      }
    }
    pointed = place && { place, head };
    showSlot();
    events.onBar(place && barOf(place, head));
    events.onTokenHover(place && { axis: place.axis, index: place.index });
  };

  root.addEventListener("pointermove", (event) => {
    const place = placeOf(event);
    point(place ?? null, place ? headUnder(place, event) : null);
  });
  root.addEventListener("pointerleave", () => point(null, null));
  root.addEventListener("click", (event) => {
    const place = placeOf(event);
    const bar = place && barOf(place, headUnder(place, event));
    if (bar) {
      events.onBarClick(bar);
    } else if (place) {
      events.onTokenClick({ axis: place.axis, index: place.index });
    }
  });

  return {
    prepare({ geometry, props }) {
      if (built?.geometry !== geometry || built.query !== props.query || built.key !== props.key) {
        built = { geometry, query: props.query, key: props.key };
        columns.clear();
        places.clear();
        pointed = null;
        root.replaceChildren();
      }
    },
    barBox({ layer, head, key }) {
      const nodes = [...columns.values()].find(({ column }) => column.layer === layer);
      return (nodes && barOf({ nodes, axis: "key", index: key }, head)?.box) ?? null;
    },
    draw(frame, column, numbers, before) {
      let nodes = columns.get(column.id);
      if (!nodes) {
        nodes = buildColumn(frame, column, places);
        columns.set(column.id, nodes);
        root.append(nodes.root);
      }
      markPinned(nodes, frame.props.pin);
      if (numbers) {
        nodes.shares = numbers.shares;
        fillBars(frame, nodes, before);
        if (pointed?.place.nodes === nodes) {
          showSlot();
        }
      }
    },
  };
}

function rowOf(geometry: NetworkGeometry, column: TokenColumn): number {
  return column.axis === "key" ? geometry.keyRow : geometry.queryRow;
}

function buildColumn(
  frame: NetworkFrame,
  column: TokenColumn,
  places: Map<EventTarget, Place>,
): ColumnNodes {
  const { geometry, props } = frame;
  const axis = column.axis === "key" ? props.key : props.query;
  const row = rowOf(geometry, column);
  const height = row - geometry.rowGap;
  const heads = column.layer === null ? 0 : headsOf(props, column.layer);
  const root = svg("g", {
    class: "column",
    transform: `translate(${column.x},${geometry.bodyTop})`,
    role: "group",
    "aria-label": columnName(column, props.part.kind === "cross"),
  });
  const boxes = axis.map(({ members }, index) =>
    svg("rect", {
      class: "token-box",
      y: index * row,
      width: geometry.tokenWidth,
      height,
      rx: 2,
      "data-layer": column.layer,
      "data-token": members[0] ?? index,
    }),
  );
  const layers = Array.from({ length: heads }, (_, head) => ({
    bar: headPath(head, "bar", column.layer),
    cap: headPath(head, "bar-cap", column.layer),
  }));
  const before = svg("path", { class: "bar-before" });
  const uniform = svg("path", {
    class: "uniform",
    d: heads > 0 ? uniformMarks(frame, column) : "",
  });
  const pictures = axis.flatMap(({ picture, text }, index) => {
    // As wide as its box: bars stand before it and hide nothing.
    const edge = Math.min(geometry.tokenWidth, height);
    const x = (geometry.tokenWidth - edge) / 2;
    return picture ? [thumbnail(picture, tokenText(text), { x, y: index * row, edge })] : [];
  });
  const labels = axis.flatMap((token, index) => {
    if (token.picture) {
      return [];
    }
    const lines = linesOf(tokenText(token.text), height);
    return lines.map((line, at) => {
      const { text, size } = fitLabel(line, geometry.tokenWidth - 6);
      const down = (at - (lines.length - 1) / 2) * LINE;
      const place = { x: geometry.tokenWidth / 2, y: index * row + height / 2 + 4 + down };
      return svg("text", { class: "token", ...place, "font-size": size }, text);
    });
  });
  const bars = layers.map(({ bar }) => bar);
  const caps = layers.map(({ cap }) => cap);
  root.append(...boxes, ...pictures, ...bars, ...caps, before, uniform, ...labels);
  const nodes: ColumnNodes = { root, column, boxes, bars, caps, before, shares: [] };
  boxes.forEach((box, index) => {
    places.set(box, { nodes, axis: column.axis, index });
  });
  return nodes;
}

/** px of a line, and from which height of a box on there is room for a column above its value. */
const LINE = 15;
const TALL = 44;

/** "age = 39" on two lines where the box is tall enough. */
function linesOf(text: string, height: number): string[] {
  const [name = "", ...value] = text.split(" = ");
  return height >= TALL && value.length > 0 ? [name, `= ${value.join(" = ")}`] : [text];
}

function columnName(column: TokenColumn, cross: boolean): string {
  if (column.layer === null) {
    return cross ? "Target tokens" : "Tokens after the last layer";
  }
  return cross
    ? `Source tokens of layer ${column.layer + 1}`
    : `Tokens before layer ${column.layer + 1}`;
}

function headPath(head: number, name: string, layer: number | null): SVGPathElement {
  const path = svg("path", { class: name, "data-layer": layer, "data-head": head });
  path.style.fill = `var(--head-${head % 16})`;
  return path;
}

/** A dash at the share even attention would give, in every box. */
function uniformMarks(frame: NetworkFrame, column: TokenColumn): string {
  const { geometry, props } = frame;
  const row = rowOf(geometry, column);
  const height = row - geometry.rowGap;
  const shares = keyShares(evenOf(props, column.layer ?? 0));
  return Array.from(shares, (share, index) => {
    const y = index * row + height - barHeight(share, height);
    return `M1,${y.toFixed(2)}H${geometry.tokenWidth - 1}`;
  }).join("");
}

function markPinned(nodes: ColumnNodes, pin: PinnedToken | null): void {
  nodes.boxes.forEach((box, index) => {
    box.classList.toggle("pinned", pin?.axis === nodes.column.axis && pin.index === index);
  });
}

function fillBars(frame: NetworkFrame, nodes: ColumnNodes, before: LayerNumbers | null): void {
  const { geometry } = frame;
  const row = rowOf(geometry, nodes.column);
  const height = row - geometry.rowGap;
  const heads = nodes.bars.length;
  const bottoms = nodes.boxes.map((_, token) => short(token * row + height));
  const tops = nodes.boxes.map((_, token) => short(token * row));
  let ticks = "";
  for (let head = 0; head < heads; head++) {
    const place = barPlace(head, heads, geometry.tokenWidth);
    const [x, width] = [short(place.x), short(place.width)];
    const shares = nodes.shares[head];
    let [bars, caps] = ["", ""];
    for (let token = 0; token < bottoms.length; token++) {
      const share = shares?.[token] ?? 0;
      const tall = short(barHeight(share, height));
      if (tall > 0) {
        bars += `M${x},${bottoms[token]}v-${tall}h${width}v${tall}z`;
      }
      if (share > BAR_DOMAIN) {
        caps += `M${x},${tops[token]}h${width}v2.5h-${width}z`;
      }
      if (before) {
        const was = barHeight(before.shares[head]?.[token] ?? 0, height);
        ticks += `M${x},${short((bottoms[token] ?? 0) - was)}h${width}`;
      }
    }
    setChanged(nodes.bars[head] ?? nodes.before, "d", bars);
    setChanged(nodes.caps[head] ?? nodes.before, "d", caps);
  }
  setChanged(nodes.before, "d", ticks);
}

/** To a hundredth of a pixel: long numbers make long paths. */
const short = (px: number): number => Math.round(px * 100) / 100;
