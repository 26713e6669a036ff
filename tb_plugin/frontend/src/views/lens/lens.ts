// HeadLens: which kinds of words a head lets look at which other kinds.
import { type LensCell, type LensSide, type LensWord, largest } from "../../core/lens";
import { type LensGeometry, lensEdges, lensGeometry } from "../../layout/lens";
import { fixed, headLabel, percent } from "../../scale/format";
import { tagColour, tagName } from "../../scale/pos";
import { attentionRamp, productRamp } from "../../scale/ramps";
import { tokenText } from "../../scale/text";
import { html, svg } from "../dom";
import { drawHeat } from "../heat";
import { fitLabel } from "../measure";
import { createTooltip } from "../tooltip";
import type { View } from "../view";
import { drawElbow } from "./elbow";
import { drawFeatures } from "./features";
import { drawMapAxes, MAP } from "./map_axes";
import type { LensProps } from "./props";

const WORDS = 7;
const WORD_PITCH = 16;

export function createLens(host: HTMLElement): View<LensProps> {
  const canvas = html("canvas", { class: "lens-map", role: "img" });
  const picture = svg("svg", { class: "lens-picture", height: 348 });
  const root = html("div", { class: "lens-body" }, picture, canvas);
  const tooltip = createTooltip(root);
  host.append(root);
  let props: LensProps | null = null;

  const cellOf = (event: Event): LensCell | null => {
    const node = event.target instanceof SVGElement ? event.target : null;
    const { query, key } = node?.dataset ?? {};
    return query !== undefined && key !== undefined
      ? { query: Number(query), key: Number(key) }
      : null;
  };
  picture.addEventListener("click", (event) => {
    const cell = cellOf(event);
    if (cell) {
      props?.onCell(cell);
    }
  });
  picture.addEventListener("pointermove", (event) => {
    const cell = cellOf(event);
    if (cell && props) {
      const value = tableOf(props)[cell.query]?.[cell.key] ?? Number.NaN;
      tooltip.show(event, [
        { text: `Query cluster ${cell.query + 1} × key cluster ${cell.key + 1}`, tone: "strong" },
        { text: `${UNITS[props.table]} ${fixed(value, 3)}` },
      ]);
    } else {
      tooltip.hide();
    }
  });
  picture.addEventListener("pointerleave", () => tooltip.hide());

  return {
    update(next) {
      props = next;
      const clusters = Math.max(next.lens.products.length, next.lens.products[0]?.length ?? 0);
      const geometry = lensGeometry(clusters, next.width);
      picture.setAttribute("width", String(next.width));
      picture.replaceChildren(...draw(next, geometry));
      drawHeat(canvas, next.map, {
        width: MAP.size,
        height: MAP.size,
        ramp: attentionRamp(next.lens.head, next.theme),
        theme: next.theme,
        diagonal: next.square,
      });
      canvas.style.left = `${MAP.left}px`;
      canvas.style.top = `${MAP.top}px`;
      canvas.setAttribute(
        "aria-label",
        `Attention of ${headLabel(next.lens)}, this sentence; rows: query, columns: key`,
      );
    },
    destroy() {
      tooltip.destroy();
      root.remove();
    },
  };
}

const UNITS = {
  products: "inner product",
  centred: "inner product above the row’s mean",
  mass: "share of attention",
} as const;

const tableOf = ({ lens, table }: LensProps): LensProps["lens"]["products"] =>
  lens[table] ?? lens.products;

function draw(props: LensProps, geometry: LensGeometry): SVGElement[] {
  const { lens, cell, theme } = props;
  const edges = lensEdges(geometry, cell);
  const shared = { tags: lens.tags, theme, geometry };
  return [
    svg("text", { class: "lens-title", x: 0, y: 12 }, "Attention, this sentence"),
    drawMapAxes(props.query, props.key),
    drawTable(props, geometry),
    drawFeatures({
      ...shared,
      side: lens.queries,
      x: geometry.queries,
      title: "Query features",
      chosen: cell.query,
      dashed: false,
    }),
    drawFeatures({
      ...shared,
      side: lens.keys,
      x: geometry.keys,
      title: "Key features",
      chosen: cell.key,
      dashed: true,
    }),
    svg("path", { class: "lens-edge", d: edges.query }),
    svg("path", { class: "lens-edge dashed", d: edges.key }),
    drawWords(props, geometry, lens.queries, cell.query, "Query", 0),
    drawWords(props, geometry, lens.keys, cell.key, "Key", 150),
    drawTags(props, geometry),
    ...(props.elbow ? [drawElbow(props.elbow, lens.products.length, geometry)] : []),
  ];
}

function drawTable(props: LensProps, geometry: LensGeometry): SVGGElement {
  const { cell, theme, table } = props;
  const { top, pitch } = geometry;
  const rows = tableOf(props);
  const limit = table === "mass" ? 1 : largest(rows);
  const ramp = productRamp(theme);
  const level = (value: number): number => (table === "mass" ? Math.sqrt(value) : value / limit);
  const cells = rows.flatMap((row, query) =>
    row.map((value, key) =>
      svg("rect", {
        class: "lens-cell",
        x: key * pitch,
        y: top + query * pitch,
        width: pitch - 0.5,
        height: pitch - 0.5,
        fill: value === null ? "none" : ramp.colour(level(value)),
        "data-query": query,
        "data-key": key,
        "data-value": value,
      }),
    ),
  );
  const numbers = rows.flatMap((_, at) =>
    at === 0 || (at + 1) % 5 === 1 || at === cell.query
      ? [
          svg(
            "text",
            { class: "lens-number", x: -6, y: top + (at + 0.5) * pitch + 4 },
            String(at + 1),
          ),
        ]
      : [],
  );
  const range = table === "mass" ? "0 to 1, √ scale" : `−${fixed(limit, 1)} to +${fixed(limit, 1)}`;
  return svg(
    "g",
    {
      transform: `translate(${geometry.table},0)`,
      role: "group",
      "aria-label": "Query × key clusters",
    },
    svg("text", { class: "lens-title", x: 0, y: 12 }, "Query × key clusters"),
    svg("text", { class: "lens-note", x: 0, y: 28 }, `${UNITS[table]}, ${range}`),
    ...cells,
    ...numbers,
    svg("rect", {
      class: "lens-frame",
      x: cell.key * pitch - 1,
      y: top + cell.query * pitch - 1,
      width: pitch + 1.5,
      height: pitch + 1.5,
    }),
  );
}

function drawWords(
  { lens, theme, width }: LensProps,
  geometry: LensGeometry,
  side: LensSide,
  cluster: number,
  name: string,
  y: number,
): SVGGElement {
  const room = Math.max(90, width - geometry.words - 8);
  const words = (side.profile.words[cluster] ?? []).slice(0, WORDS);
  const size = side.profile.size[cluster] ?? 0;
  const most = Math.max(1, ...words.map(({ count }) => count));
  const barLeft = Math.min(90, room * 0.45);
  const row = ({ text, count, tag }: LensWord, at: number): SVGGElement => {
    const base = 22 + at * WORD_PITCH;
    const long = ((room - barLeft - 34) * count) / most;
    return svg(
      "g",
      { transform: `translate(0,${base})` },
      svg(
        "rect",
        { width: 7, height: 10, y: 1, fill: tagColour(tag, theme) },
        svg("title", {}, tagName(tag)),
      ),
      svg(
        "text",
        { class: "lens-word", x: 12, y: 10 },
        fitLabel(tokenText(text), barLeft - 16).text,
      ),
      svg("rect", {
        x: barLeft,
        y: 1,
        width: Math.max(1, long),
        height: 9,
        fill: tagColour(tag, theme),
      }),
      svg("text", { class: "lens-count", x: room, y: 10 }, percent(count / Math.max(1, size))),
    );
  };
  return svg(
    "g",
    { transform: `translate(${geometry.words},${y})` },
    svg("text", { class: "lens-title", x: 0, y: 12 }, `${name} cluster ${cluster + 1}`),
    svg(
      "text",
      { class: "lens-count", x: room, y: 12 },
      `${size} ${lens.part === "cross" ? "tokens" : "words"}`,
    ),
    ...words.map(row),
  );
}

/** Only tags that occur. */
function drawTags({ lens, theme }: LensProps, geometry: LensGeometry): SVGGElement {
  const present = lens.tags.filter((_, at) =>
    [lens.queries, lens.keys].some(({ profile }) => profile.tags.some((row) => (row[at] ?? 0) > 0)),
  );
  const columns = 7;
  const marks = present.map((tag, at) =>
    svg(
      "g",
      { transform: `translate(${(at % columns) * 58},${Math.floor(at / columns) * 15})` },
      svg("rect", { width: 9, height: 9, fill: tagColour(tag, theme) }),
      svg("text", { class: "lens-word", x: 13, y: 9 }, tag),
      svg("title", {}, tagName(tag)),
    ),
  );
  return svg(
    "g",
    { transform: `translate(${geometry.queries},${geometry.height + 18})` },
    ...marks,
  );
}
