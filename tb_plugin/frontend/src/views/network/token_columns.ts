// Token columns: every token's box, its word, and one bar per head.
import type { Axis } from "../../core/axis";
import { keyShares } from "../../core/maps";
import type { PinnedToken } from "../../core/selection";
import { barHeight, tokenBars } from "../../layout/network/bars";
import type { NetworkGeometry, TokenColumn } from "../../layout/network/columns";
import type { LayerNumbers } from "../../layout/network/network_numbers";
import { tokenText } from "../../scale/text";
import { svg, thumbnail } from "../dom";
import { fitLabel } from "../measure";
import { evenOf, headsOf, type NetworkFrame } from "./props";

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
  /** Invisible targets, [token][head], each as high as its box. */
  readonly slots: readonly (readonly SVGRectElement[])[];
}

export interface TokenColumns {
  /** Forget columns that no longer fit the sentence, the window or the model. */
  prepare(frame: NetworkFrame): void;
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
  const targets = new Map<EventTarget, Omit<BarTarget, "box">>();
  const tokens = new Map<EventTarget, PinnedToken>();

  const barOf = (event: Event): BarTarget | null => {
    const bar = event.target ? targets.get(event.target) : undefined;
    return bar && event.target instanceof Element
      ? { ...bar, box: event.target.getBoundingClientRect() }
      : null;
  };
  const tokenOf = (event: Event): PinnedToken | null => {
    const bar = event.target ? targets.get(event.target) : undefined;
    const token = event.target ? tokens.get(event.target) : undefined;
    return bar ? { axis: "key", index: bar.key } : (token ?? null);
  };
  root.addEventListener("pointerover", (event) => {
    events.onBar(barOf(event));
    events.onTokenHover(tokenOf(event));
  });
  root.addEventListener("pointerleave", () => {
    events.onBar(null);
    events.onTokenHover(null);
  });
  root.addEventListener("click", (event) => {
    const bar = barOf(event);
    const token = event.target ? tokens.get(event.target) : undefined;
    if (bar) {
      events.onBarClick(bar);
    } else if (token) {
      events.onTokenClick(token);
    }
  });

  return {
    prepare({ geometry, props }) {
      if (built?.geometry !== geometry || built.query !== props.query || built.key !== props.key) {
        built = { geometry, query: props.query, key: props.key };
        columns.clear();
        targets.clear();
        tokens.clear();
        root.replaceChildren();
      }
    },
    draw(frame, column, numbers, before) {
      let nodes = columns.get(column.id);
      if (!nodes) {
        nodes = buildColumn(frame, column, targets, tokens);
        columns.set(column.id, nodes);
        root.append(nodes.root);
      }
      markPinned(nodes, frame.props.pin);
      if (numbers) {
        fillBars(frame, nodes, numbers, before);
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
  targets: Map<EventTarget, Omit<BarTarget, "box">>,
  tokens: Map<EventTarget, PinnedToken>,
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
  const boxes = axis.map((_, index) => {
    const box = svg("rect", {
      class: "token-box",
      y: index * row,
      width: geometry.tokenWidth,
      height,
      rx: 2,
    });
    tokens.set(box, { axis: column.axis, index });
    return box;
  });
  const layers = Array.from({ length: heads }, (_, head) => ({
    bar: headPath(head, "bar"),
    cap: headPath(head, "bar-cap"),
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
    const { text, size } = fitLabel(tokenText(token.text), geometry.tokenWidth - 6);
    const place = { x: geometry.tokenWidth / 2, y: index * row + height / 2 + 4 };
    return [svg("text", { class: "token", ...place, "font-size": size }, text)];
  });
  const slots = axis.map((token, index) =>
    tokenBars(new Array<number>(heads).fill(0), geometry.tokenWidth, height).map((bar) => {
      const slot = svg("rect", {
        class: "bar-slot",
        x: bar.x,
        y: index * row,
        width: bar.width,
        height,
        "data-layer": column.layer,
        "data-head": bar.head,
        "data-token": token.members[0] ?? index,
      });
      if (column.layer !== null) {
        targets.set(slot, { layer: column.layer, head: bar.head, key: index });
      }
      return slot;
    }),
  );
  const bars = layers.map(({ bar }) => bar);
  const caps = layers.map(({ cap }) => cap);
  root.append(...boxes, ...pictures, ...bars, ...caps, before, uniform, ...labels, ...slots.flat());
  return { root, column, boxes, bars, caps, before, slots };
}

function columnName(column: TokenColumn, cross: boolean): string {
  if (column.layer === null) {
    return cross ? "Target tokens" : "Tokens after the last layer";
  }
  return cross
    ? `Source tokens of layer ${column.layer + 1}`
    : `Tokens before layer ${column.layer + 1}`;
}

function headPath(head: number, className: string): SVGPathElement {
  const path = svg("path", { class: className });
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

function fillBars(
  frame: NetworkFrame,
  nodes: ColumnNodes,
  numbers: LayerNumbers,
  before: LayerNumbers | null,
): void {
  const { geometry } = frame;
  const row = rowOf(geometry, nodes.column);
  const height = row - geometry.rowGap;
  const heads = nodes.bars.length;
  const bars = new Array<string>(heads).fill("");
  const caps = new Array<string>(heads).fill("");
  let ticks = "";
  nodes.slots.forEach((slots, token) => {
    const shares = slots.map((_, head) => numbers.shares[head]?.[token] ?? 0);
    const bottom = token * row + height;
    for (const bar of tokenBars(shares, geometry.tokenWidth, height)) {
      const { head, x, width } = bar;
      const tall = bar.height.toFixed(2);
      bars[head] += `M${x.toFixed(2)},${bottom.toFixed(2)}v-${tall}h${width.toFixed(2)}v${tall}z`;
      if (bar.clipped) {
        caps[head] +=
          `M${x.toFixed(2)},${(token * row).toFixed(2)}h${width.toFixed(2)}v2.5h-${width.toFixed(2)}z`;
      }
      if (before) {
        const was = barHeight(before.shares[head]?.[token] ?? 0, height);
        ticks += `M${x.toFixed(2)},${(bottom - was).toFixed(2)}h${width.toFixed(2)}`;
      }
      slots[head]?.setAttribute("data-value", String(bar.share));
    }
  });
  for (const [head, path] of nodes.bars.entries()) {
    path.setAttribute("d", bars[head] ?? "");
  }
  for (const [head, path] of nodes.caps.entries()) {
    path.setAttribute("d", caps[head] ?? "");
  }
  nodes.before.setAttribute("d", ticks);
}
