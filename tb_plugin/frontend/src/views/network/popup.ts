// The enlarged map of one head, with its words on both axes.
import type { Axis } from "../../core/axis";
import { at, keyShares, type Matrix } from "../../core/maps";
import type { HeadId } from "../../core/recording";
import { HEADER_HEIGHT } from "../../layout/network/columns";
import { shownPile } from "../../layout/network/network_numbers";
import { type Box, placeBeside } from "../../layout/network/place";
import { fixed, headTitle, signed } from "../../scale/format";
import { attentionRamp, differenceRamp } from "../../scale/ramps";
import { meanOf, tokenText } from "../../scale/text";
import { headBadge, html, setText, svg, thumbnail } from "../dom";
import { type Cell, cellAt, drawHeat } from "../heat";
import { fitLabel } from "../measure";
import { coloured, evenOf, isSquare, type NetworkFrame } from "./network_props";

/** Which head is shown, what is framed in it, and beside what the pop-up stands. */
export interface PopupTarget extends HeadId {
  /** More than one: their mean is shown. */
  readonly heads: readonly number[];
  readonly query: number | null;
  readonly key: number | null;
  readonly box: Box;
  readonly locked: boolean;
}

export interface Popup {
  show(frame: NetworkFrame, target: PopupTarget): void;
  hide(): void;
  destroy(): void;
}

const LABEL_WIDTH = 66;
const LABEL_HEIGHT = 62;
const LARGEST_CELL = 15;
/** The map of a few columns is at least this wide, and so much larger than the one clicked. */
const LEAST_MAP = 220;
const ENLARGED = 1.25;
/** px between the labels of rows, and between the slanted ones of columns. */
const TEXT_PITCH = 11;
const SLANTED_PITCH = 14;

export interface PopupEvents {
  readonly onClose: () => void;
  /** The user asks to keep the framed key's links lit, or to let them go. */
  readonly onPin: (key: number) => void;
  /** The user asks what this head's queries and keys stand for. */
  readonly onLens: (head: HeadId) => void;
}

export function createPopup(host: HTMLElement, { onClose, onPin, onLens }: PopupEvents): Popup {
  const title = html("h3");
  const canvas = html("canvas", { role: "img" });
  const axes = svg("svg", { "aria-hidden": "true" });
  const picture = html("div", { class: "popup-picture" });
  picture.append(axes, canvas);
  const reading = html("p", { class: "popup-reading" });
  const help = html("p", { class: "note" });
  const close = html(
    "button",
    { type: "button", class: "close", "aria-label": "Close the map" },
    "×",
  );
  const pin = html("button", { type: "button", class: "button" });
  const lens = html("button", { type: "button", class: "button" }, "Open HeadLens");
  const buttons = html("div", { class: "popup-buttons" }, lens, pin);
  const root = html("div", { class: "popup", role: "dialog" });
  root.append(close, title, picture, reading, buttons, help);
  root.hidden = true;
  host.append(root);
  let dragged = false;
  dragBy(title, root, () => {
    dragged = true;
  });
  let shown: { frame: NetworkFrame; target: PopupTarget; map: Matrix } | null = null;

  close.addEventListener("click", onClose);
  lens.addEventListener("click", () => {
    if (shown) {
      onLens({ layer: shown.target.layer, head: shown.target.head });
    }
  });
  pin.addEventListener("click", () => {
    if (shown && shown.target.key !== null) {
      onPin(shown.target.key);
    }
  });
  canvas.addEventListener("pointermove", (event) => {
    if (shown) {
      pointAt(cellAt(canvas, shown.map, event));
    }
  });
  canvas.addEventListener("pointerleave", () => pointAt(null));

  /** Follow the pointer inside the large map; without one, fall back to what was hovered. */
  const pointAt = (cell: Cell | null): void => {
    if (shown) {
      const target = cell ? { ...shown.target, ...cell } : shown.target;
      paint(canvas, shown.frame, target, shown.map);
      setText(reading, readingOf(shown.frame, target, shown.map));
    }
  };

  return {
    show(frame, target) {
      const { props } = frame;
      const map = shownPile(props.maps, props.reference, target.layer, target.heads);
      const moved =
        root.hidden || shown?.target.layer !== target.layer || shown.target.head !== target.head;
      shown = { frame, target, map };
      root.hidden = false;
      root.classList.toggle("locked", target.locked);
      root.setAttribute("aria-label", titleOf(target));
      title.replaceChildren(
        ...target.heads.map(headBadge),
        titleOf(target),
        html("span", { class: "quiet" }, props.label),
      );
      drawAxes(axes, picture, frame, target, map);
      canvas.setAttribute(
        "aria-label",
        `Attention of ${titleOf(target)}, ${props.label}, with words`,
      );
      pointAt(null);
      setText(help, helpText(target));
      close.hidden = !target.locked;
      lens.hidden = !target.locked || !props.lens;
      pin.hidden = !target.locked || target.key === null;
      setText(pin, pinText(frame, target));
      if (moved) {
        dragged = false;
      }
      if (!dragged && (moved || target.locked)) {
        place(root, target.box);
      }
    },
    hide() {
      shown = null;
      dragged = false;
      root.hidden = true;
    },
    destroy: () => root.remove(),
  };
}

function pinText({ props }: NetworkFrame, { key }: PopupTarget): string {
  const pinned = props.pin?.axis === "key" && props.pin.index === key;
  return `${pinned ? "Unpin" : "Pin"} “${key === null ? "" : tokenText(props.key[key]?.text ?? "")}” in all layers`;
}

const titleOf = (target: PopupTarget): string =>
  target.heads.length > 1
    ? `Layer ${target.layer + 1} · ${meanOf(target.heads.length)}`
    : headTitle(target);

function helpText({ locked, heads }: PopupTarget): string {
  const axes = "Rows: query, columns: key.";
  if (locked) {
    return `${axes} Esc closes.`;
  }
  return heads.length > 1 ? axes : `${axes} Click to keep it open.`;
}

/** Where the view's own headers end: what lies above, tabs, play and slider, stays in reach. */
const topOf = (root: HTMLElement): number =>
  Math.max(0, root.closest(".view")?.getBoundingClientRect().top ?? 0) + HEADER_HEIGHT;

function place(root: HTMLElement, anchor: Box): void {
  const size = { width: root.offsetWidth, height: root.offsetHeight };
  const page = { width: window.innerWidth, height: window.innerHeight };
  moveTo(root, placeBeside(anchor, size, page, topOf(root)));
}

function moveTo(root: HTMLElement, { x, y }: { readonly x: number; readonly y: number }): void {
  root.style.left = `${x}px`;
  root.style.top = `${y}px`;
}

/** Let the pop-up be moved by its title; `onMoved` is told that it was. */
function dragBy(handle: HTMLElement, root: HTMLElement, onMoved: () => void): void {
  let grip: { x: number; y: number } | null = null;
  handle.addEventListener("pointerdown", (event) => {
    grip = { x: event.clientX - root.offsetLeft, y: event.clientY - root.offsetTop };
    handle.setPointerCapture(event.pointerId);
  });
  handle.addEventListener("pointermove", (event) => {
    if (grip) {
      const furthest = { x: window.innerWidth - 60, y: window.innerHeight - 40 };
      moveTo(root, {
        x: Math.min(furthest.x, Math.max(60 - root.offsetWidth, event.clientX - grip.x)),
        y: Math.min(furthest.y, Math.max(0, event.clientY - grip.y)),
      });
      onMoved();
    }
  });
  handle.addEventListener("lostpointercapture", () => {
    grip = null;
  });
}

/** What of the pop-up is not its map: title, labels, reading, buttons, help. */
const AROUND = 230;

/**
 * px per cell: 15 for short sentences, more for a handful of tokens or where a larger map was
 * clicked, less where the space below the headers would not hold the map.
 */
function cellSize(map: Matrix, { box }: PopupTarget, top: number): number {
  const room = Math.min(window.innerWidth - 160, window.innerHeight - top - AROUND, 520);
  const longest = Math.max(map.rows, map.cols, 1);
  const least = Math.max(LEAST_MAP, ENLARGED * box.width) / longest;
  return Math.max(1, Math.min(Math.max(LARGEST_CELL, least), room / longest));
}

function paint(
  canvas: HTMLCanvasElement,
  frame: NetworkFrame,
  target: PopupTarget,
  map: Matrix,
): void {
  const { props } = frame;
  const cell = cellSize(map, target, topOf(canvas));
  drawHeat(canvas, coloured(map, props, target.layer), {
    width: map.cols * cell,
    height: map.rows * cell,
    ramp: props.reference
      ? differenceRamp(props.theme)
      : attentionRamp(target.heads.length > 1 ? null : target.head, props.theme),
    theme: props.theme,
    diagonal: isSquare(props),
    framedQuery: target.query,
    framedKey: target.key,
  });
  canvas.style.left = `${LABEL_WIDTH}px`;
  canvas.style.top = `${LABEL_HEIGHT}px`;
}

/** Words along both axes; where cells are too small for all of them, every n-th. */
function drawAxes(
  root: SVGSVGElement,
  picture: HTMLElement,
  frame: NetworkFrame,
  target: PopupTarget,
  map: Matrix,
): void {
  const { props } = frame;
  const cell = cellSize(map, target, topOf(picture));
  root.setAttribute("width", String(LABEL_WIDTH + map.cols * cell + 24));
  root.setAttribute("height", String(LABEL_HEIGHT + map.rows * cell + 2));
  const edge = Math.max(4, cell - 1);
  const rows = labelled(props.query, TEXT_PITCH, cell, target.query).map(
    ({ index, text, picture }) =>
      picture
        ? thumbnail(picture, text, {
            x: LABEL_WIDTH - 4 - edge,
            y: LABEL_HEIGHT + index * cell,
            edge,
          })
        : svg(
            "text",
            {
              class: index === target.query ? "axis framed" : "axis",
              x: LABEL_WIDTH - 6,
              y: LABEL_HEIGHT + (index + 0.5) * cell + 4,
              "text-anchor": "end",
            },
            text,
          ),
  );
  const columns = labelled(props.key, SLANTED_PITCH, cell, target.key).map(
    ({ index, text, picture }) =>
      picture
        ? thumbnail(picture, text, {
            x: LABEL_WIDTH + index * cell,
            y: LABEL_HEIGHT - 4 - edge,
            edge,
          })
        : svg(
            "text",
            {
              class: index === target.key ? "axis framed" : "axis",
              transform: `translate(${LABEL_WIDTH + (index + 0.5) * cell + 3},${LABEL_HEIGHT - 6}) rotate(-60)`,
            },
            text,
          ),
  );
  root.replaceChildren(...rows, ...columns);
}

/** "age = 39", or "income" where its value does not fit. */
function axisLabel(text: string): string {
  const [name = "", value] = text.split(" = ");
  const whole = fitLabel(text, LABEL_WIDTH - 8).text;
  return whole === text || value === undefined ? whole : fitLabel(name, LABEL_WIDTH - 8).text;
}

function labelled(
  axis: Axis,
  pitch: number,
  cell: number,
  framed: number | null,
): { index: number; text: string; picture: string | undefined }[] {
  const least = axis.some(({ picture }) => picture) ? TEXT_PITCH : pitch;
  const stride = Math.ceil(least / cell);
  return axis.flatMap((token, index) =>
    index % stride === 0 || index === framed
      ? [
          {
            index,
            text: axisLabel(tokenText(token.text)),
            picture: token.picture,
          },
        ]
      : [],
  );
}

function readingOf(frame: NetworkFrame, target: PopupTarget, map: Matrix): string {
  const { props } = frame;
  const { query, key } = target;
  const difference = props.reference !== null;
  const show = difference ? signed : fixed;
  if (key === null) {
    return difference
      ? "Green: more in A. Purple: more in B."
      : "Point at a cell to read its weight.";
  }
  const keyWord = `“${tokenText(props.key[key]?.text ?? "")}”`;
  if (query !== null) {
    const queryWord = `“${tokenText(props.query[query]?.text ?? "")}”`;
    return `${queryWord} attends to ${keyWord}: ${show(at(map, query, key), 4)}`;
  }
  const share = keyShares(map)[key] ?? 0;
  if (difference) {
    return `${keyWord} receives ${signed(share, 3)} of all attention`;
  }
  const even = keyShares(evenOf(props, target.layer))[key] ?? 0;
  return `${keyWord} receives ${fixed(share, 3)} of all attention (column sum ${fixed(share * map.rows, 2)}), even ${fixed(even, 3)}`;
}
