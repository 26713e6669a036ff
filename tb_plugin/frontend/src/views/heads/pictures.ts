// Attention drawn over the image: one picture per head for the chosen query, and the rollout.
import { type ColourScale, layerTop } from "../../core/contrast";
import { headMap, holdsLayer, type Maps, type Matrix, meanOverHeads } from "../../core/maps";
import { brightness } from "../../core/patch_grid";
import type { HeadId, Part, PatchImage } from "../../core/recording";
import {
  fullColour,
  type PictureHeat,
  pictureHeat,
  rolloutRows,
  rowOf,
} from "../../layout/heads/picture_heat";
import { headLabel, headTitle, percent } from "../../scale/format";
import { headColour, type Theme } from "../../scale/head_colours";
import { headBadge, html, setText } from "../dom";
import { imageCanvas } from "../image_canvas";
import type { View } from "../view";

export interface PicturesProps {
  /** px of the window. */
  readonly width: number;
  readonly theme: Theme;
  readonly part: Part;
  readonly maps: Maps;
  readonly scales: readonly ColourScale[];
  readonly image: PatchImage;
  /** The patches of every mark. */
  readonly places: readonly (readonly number[])[];
  /** The marks that are no patches: [CLS], registers. */
  readonly special: readonly { readonly index: number; readonly name: string }[];
  /** The mark that asks. */
  readonly query: number;
  readonly label: string;
  readonly selected: HeadId | null;
  readonly onQuery: (index: number) => void;
  readonly onSelect: (head: HeadId | null) => void;
}

const CHOOSER = 132;
const CELL = { least: 44, most: 168, aside: 230 };
/** The picture behind the heat is darkened, so that bright heat is told from bright patches. */
const GROUND = 0.62;
const HEAT = 0.9;
const MEAN_COLOUR = "#7fd4ff";
const ROLLOUT_COLOUR = "#ffb14e";

export function createPictures(host: HTMLElement): View<PicturesProps> {
  const whole = html("canvas", { class: "picture-whole", role: "img" });
  const chips = html("div", { class: "picture-chips" });
  const note = html("p", { class: "note" });
  const chooser = html(
    "div",
    { class: "picture-chooser" },
    html("h2", {}, "Query"),
    whole,
    chips,
    note,
  );
  const cells = html("div", { class: "picture-cells" });
  const root = html("div", { class: "pictures" }, chooser, cells);
  host.append(root);
  let props: PicturesProps | null = null;

  whole.addEventListener("click", (event) => {
    if (props) {
      const box = whole.getBoundingClientRect();
      const { rows, columns } = props.image;
      const row = Math.floor(((event.clientY - box.top) / box.height) * rows);
      const column = Math.floor(((event.clientX - box.left) / box.width) * columns);
      const patch = row * columns + column;
      const at = props.places.findIndex((own) => own.includes(patch));
      if (at >= 0) {
        props.onQuery(at);
      }
    }
  });

  return {
    update(next) {
      const before = props;
      props = next;
      if (before?.part !== next.part || before.width !== next.width) {
        build(next, cells, (id) => props?.onSelect(id));
      }
      drawChooser(next, { whole, chips, note });
      paintAll(next, cells);
    },
    destroy: () => root.remove(),
  };
}

/** Pictures as large as all columns allow. */
function cellSize({ width, part }: PicturesProps): number {
  const columns = Math.max(1, ...part.layers.map(({ heads }) => heads)) + 2;
  const room = Math.floor((width - CELL.aside) / columns) - 2;
  return Math.max(CELL.least, Math.min(CELL.most, room));
}

/** Columns: the heads, their mean, and the rollout up to the layer. */
function build(props: PicturesProps, cells: HTMLElement, select: (id: HeadId) => void): void {
  const { part } = props;
  const most = Math.max(1, ...part.layers.map(({ heads }) => heads));
  cells.style.gridTemplateColumns = `34px repeat(${most + 2}, ${cellSize(props)}px)`;
  const heading = (...inside: (Node | string)[]): HTMLElement =>
    html("span", { class: "picture-heading" }, ...inside);
  const header = [
    heading(),
    ...Array.from({ length: most }, (_, head) => heading(headBadge(head))),
    heading("mean"),
    heading("rollout"),
  ];
  const rows = part.layers.flatMap(({ heads }, layer) => [
    html("span", { class: "picture-layer" }, `L${layer + 1}`),
    ...Array.from({ length: most }, (_, head) => {
      if (head >= heads) {
        return html("span");
      }
      const id = { layer, head };
      const node = cell("button", String(head), layer, headTitle(id));
      node.addEventListener("click", () => select(id));
      return node;
    }),
    cell("div", "mean", layer, `Mean over the heads of layer ${layer + 1}`),
    cell("div", "rollout", layer, `Rollout through layers 1 to ${layer + 1}`),
  ]);
  cells.replaceChildren(...header, ...rows);
}

function cell(tag: "button" | "div", of: string, layer: number, title: string): HTMLElement {
  return html(
    tag,
    {
      class: "picture-cell",
      "data-of": of,
      "data-layer": layer,
      title,
      ...(tag === "button" ? { type: "button", "aria-label": title } : {}),
    },
    html("canvas", { role: "img" }),
    html("span", { class: "picture-apart" }),
  );
}

function paintAll(props: PicturesProps, cells: HTMLElement): void {
  const { maps, part, query, selected, theme } = props;
  const light = brightness(props.image);
  const means = part.layers.map(({ heads }, layer) =>
    holdsLayer(maps, layer) ? meanOverHeads(maps, layer, heads) : null,
  );
  const whole = means.every((mean) => mean !== null) && maps.queries === maps.keys;
  const rolled = whole ? rolloutRows(means as Matrix[], query) : [];
  for (const node of cells.querySelectorAll<HTMLElement>(".picture-cell")) {
    const layer = Number(node.dataset.layer);
    const { of = "" } = node.dataset;
    const mean = means[layer];
    const row =
      of === "rollout"
        ? rolled[layer]
        : of === "mean"
          ? mean && rowOf(mean, query)
          : holdsLayer(maps, layer)
            ? rowOf(headMap(maps, layer, Number(of)), query)
            : null;
    const canvas = node.querySelector("canvas");
    if (!row || !canvas) {
      node.style.visibility = "hidden";
      continue;
    }
    node.style.visibility = "";
    const heat = pictureHeat(row, props.places, props.image.rows * props.image.columns);
    const colour =
      of === "rollout"
        ? ROLLOUT_COLOUR
        : of === "mean"
          ? MEAN_COLOUR
          : headColour(Number(of), "dark");
    paint(canvas, props, light, heat, { colour, full: fullAt(props, layer) });
    const name =
      of === "rollout" || of === "mean"
        ? `${of} of layer ${layer + 1}`
        : headLabel({ layer, head: Number(of) });
    canvas.setAttribute("aria-label", `Attention over the image, ${name}, ${props.label}`);
    setText(
      node.querySelector(".picture-apart") as Element,
      heat.apart > 0.005 ? percent(heat.apart) : "",
    );
    const pressed = selected?.layer === layer && String(selected.head) === of;
    node.setAttribute("aria-pressed", String(pressed));
    node.dataset.apart = String(heat.apart);
  }
  cells.dataset.theme = theme;
}

function fullAt({ scales, maps, part, places }: PicturesProps, layer: number): number {
  const scale = scales[layer] ?? { contrast: "fixed" as const, top: 1 };
  const heads = part.layers[layer]?.heads ?? 1;
  const top = scale.contrast === "layer" ? layerTop(maps, layer, heads) : 1;
  return fullColour({ contrast: scale.contrast, top }, 1 / Math.max(1, places.length));
}

interface Ink {
  readonly colour: string;
  /** The weight with the strongest colour. */
  readonly full: number;
}

/** The picture in grey, each patch coloured by its weight: opacity is its square root. */
function paint(
  canvas: HTMLCanvasElement,
  props: PicturesProps,
  light: Float32Array,
  { patches }: PictureHeat,
  { colour, full }: Ink,
): void {
  const { image, places, query } = props;
  const width = image.columns * image.side;
  const height = image.rows * image.side;
  const shown = cellSize(props) - 8;
  canvas.width = width;
  canvas.height = height;
  canvas.style.width = `${shown}px`;
  canvas.style.height = `${(shown * height) / width}px`;
  const context = canvas.getContext("2d");
  if (!context) {
    return;
  }
  grey(context, light, width, height);
  patches.forEach((weight, patch) => {
    const x = (patch % image.columns) * image.side;
    const y = Math.floor(patch / image.columns) * image.side;
    context.globalAlpha = HEAT * Math.sqrt(Math.max(0, Math.min(1, weight / full)));
    context.fillStyle = colour;
    context.fillRect(x, y, image.side, image.side);
  });
  context.globalAlpha = 1;
  frame(context, image, places[query] ?? []);
}

function grey(
  context: CanvasRenderingContext2D,
  light: Float32Array,
  width: number,
  height: number,
): void {
  const pixels = context.createImageData(width, height);
  light.forEach((value, at) => {
    const shade = Math.round(255 * GROUND * value);
    pixels.data.set([shade, shade, shade, 255], 4 * at);
  });
  context.putImageData(pixels, 0, 0);
}

function frame(
  context: CanvasRenderingContext2D,
  { columns, side }: PatchImage,
  patches: readonly number[],
): void {
  const thick = Math.max(1, Math.round(side / 8));
  context.strokeStyle = "#ffffff";
  context.lineWidth = thick;
  for (const patch of patches) {
    const x = (patch % columns) * side;
    const y = Math.floor(patch / columns) * side;
    context.strokeRect(x + thick / 2, y + thick / 2, side - thick, side - thick);
  }
}

interface ChooserNodes {
  readonly whole: HTMLCanvasElement;
  readonly chips: HTMLElement;
  readonly note: HTMLElement;
}

function drawChooser(props: PicturesProps, { whole, chips, note }: ChooserNodes): void {
  const { image, places, query, special } = props;
  const [width, height] = [image.columns * image.side, image.rows * image.side];
  whole.width = width;
  whole.height = height;
  whole.style.width = `${CHOOSER}px`;
  whole.style.height = `${(CHOOSER * height) / width}px`;
  const context = whole.getContext("2d");
  if (context) {
    context.drawImage(imageCanvas(image), 0, 0);
    frame(context, image, places[query] ?? []);
  }
  const own = places[query] ?? [];
  const [patch = 0] = own;
  const name = special.find(({ index }) => index === query)?.name;
  const where = `patch in row ${Math.floor(patch / image.columns) + 1}, column ${(patch % image.columns) + 1}`;
  whole.setAttribute("aria-label", `The image; the query is ${name ?? where}`);
  chips.replaceChildren(
    ...special.map(({ index, name: text }) => {
      const chip = html(
        "button",
        { type: "button", class: "button", "aria-pressed": String(index === query) },
        text,
      );
      chip.addEventListener("click", () => props.onQuery(index));
      return chip;
    }),
  );
  setText(
    note,
    `${name ?? where}. Click a patch to ask from there. Below each picture: what tokens that are no patches, such as [CLS] and registers, receive.`,
  );
}
