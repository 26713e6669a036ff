// HeadLens: which kinds of words a head lets look at which other kinds.
import { type LensCell, readsOf } from "../../core/headlens";
import { at } from "../../core/maps";
import {
  type LensEdges,
  type LensGeometry,
  lensEdges,
  lensGeometry,
  TAG_PITCH,
  tagColumns,
} from "../../layout/lens/lens_geometry";
import { fixed, headLabel, percent } from "../../scale/format";
import { tagColour, tagLabel, tagName } from "../../scale/pos";
import { attentionRamp, productRamp } from "../../scale/ramps";
import { tokenText } from "../../scale/text";
import { html, setAll, svg } from "../dom";
import { cellAt, drawHeat, framed } from "../heat";
import { fitLabel } from "../measure";
import { createTooltip } from "../tooltip";
import type { View } from "../view";
import { drawElbow } from "./elbow";
import { drawFeatures } from "./features";
import type { LensProps } from "./lens_props";
import { drawMapAxes, MAP } from "./map_axes";
import { drawWords } from "./words";

export function createLens(host: HTMLElement): View<LensProps> {
  const canvas = html("canvas", { class: "lens-map", role: "img" });
  const picture = svg("svg", { class: "lens-picture", height: 362 });
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
    const row =
      event.target instanceof Element ? event.target.closest("[data-value-cluster]") : null;
    if (cell) {
      props?.onCell(cell);
    } else if (row) {
      props?.onValue(Number(row.getAttribute("data-value-cluster")));
    }
  });
  // One stop for the keyboard: arrows move the cell, enter chooses the value cluster in focus.
  setAll(picture, {
    tabindex: 0,
    role: "group",
    "aria-label": "Clusters of the head; arrow keys move the chosen cell",
  });
  picture.addEventListener("keydown", (event) => {
    const row =
      event.target instanceof Element ? event.target.closest("[data-value-cluster]") : null;
    const move = MOVES[event.key];
    if (!props || (row ? event.key !== "Enter" : !move)) {
      return;
    }
    event.preventDefault();
    event.stopPropagation(); // the arrows of the page move the step
    if (row) {
      props.onValue(Number(row.getAttribute("data-value-cluster")));
    } else if (move) {
      props.onCell(moved(props, move));
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
  canvas.addEventListener("pointermove", (event) => {
    const place = props && cellAt(canvas, props.map, event);
    if (props && place) {
      const [from, to] = [props.query[place.query], props.key[place.key]];
      const weight = at(props.map, place.query, place.key);
      tooltip.show(event, [
        { text: `“${tokenText(from?.text ?? "")}” attends to “${tokenText(to?.text ?? "")}”` },
        { text: `weight ${fixed(weight, 4)}`, tone: "strong" },
      ]);
    }
  });
  canvas.addEventListener("pointerleave", () => tooltip.hide());

  return {
    update(next) {
      props = next;
      const { products, values } = next.lens;
      const clusters = Math.max(products.length, products[0]?.length ?? 0);
      const geometry = lensGeometry(clusters, next.width, values !== null);
      picture.setAttribute("width", String(next.width));
      const focused = document.activeElement?.getAttribute("data-value-cluster") ?? null;
      picture.replaceChildren(...draw(next, geometry));
      if (focused !== null) {
        picture.querySelector<SVGElement>(`[data-value-cluster="${Number(focused)}"]`)?.focus();
      }
      drawHeat(canvas, next.map, {
        width: MAP.size,
        height: MAP.size,
        ramp: attentionRamp(next.lens.head, next.theme),
        theme: next.theme,
        diagonal: next.square,
        ...framed(next.pin),
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
  centred: "product − row mean",
  mass: "share of attention",
} as const;

const MOVES: Readonly<Record<string, LensCell>> = {
  ArrowUp: { query: -1, key: 0 },
  ArrowDown: { query: 1, key: 0 },
  ArrowLeft: { query: 0, key: -1 },
  ArrowRight: { query: 0, key: 1 },
};

/** The chosen cell after a step, inside the table. */
function moved(props: LensProps, by: LensCell): LensCell {
  const rows = tableOf(props);
  const inside = (at: number, count: number): number => Math.max(0, Math.min(count - 1, at));
  return {
    query: inside(props.cell.query + by.query, rows.length),
    key: inside(props.cell.key + by.key, rows[0]?.length ?? 0),
  };
}

const tableOf = ({ lens, table }: LensProps): LensProps["lens"]["products"] =>
  lens[table] ?? lens.products;

function draw(props: LensProps, geometry: LensGeometry): SVGElement[] {
  const { lens, cell, value, theme } = props;
  const edges = lensEdges(geometry, cell, value);
  const shared = { tags: lens.tags, theme, geometry };
  return [
    svg("text", { class: "lens-title", x: 0, y: 12 }, "Attention, this sentence"),
    drawMapAxes(props.query, props.key),
    drawTable(props, geometry),
    drawFeatures({
      ...shared,
      side: lens.queries,
      reads: lens.queries.profile.size.map((_, cluster) => readsOf(lens, cluster)),
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
    ...(lens.values && geometry.values !== null
      ? [
          drawFeatures({
            ...shared,
            side: lens.values,
            x: geometry.values,
            title: "Value features",
            chosen: value,
            dashed: false,
            selectable: true,
          }),
        ]
      : []),
    ...drawEdges(edges, geometry),
    ...drawBoxes(props, geometry),
    drawTags(props, geometry),
    ...(props.elbow ? [drawElbow(props.elbow, lens.products.length, geometry)] : []),
  ];
}

function drawEdges({ query, key, value }: LensEdges, geometry: LensGeometry): SVGElement[] {
  const arrows = geometry.boxes.map((y) =>
    svg("path", { class: "lens-arrow", d: `M${geometry.words - 9},${y + 4.5}l6,3.5l-6,3.5z` }),
  );
  return [
    svg("path", { class: "lens-edge", d: query }),
    svg("path", { class: "lens-edge dashed", d: key }),
    ...(value === null ? [] : [svg("path", { class: "lens-edge", d: value })]),
    ...arrows,
  ];
}

/** The words of the chosen clusters; beside the values, how much of the queries' attention they get. */
function drawBoxes(props: LensProps, geometry: LensGeometry): SVGElement[] {
  const { lens, cell, value, theme, words: form } = props;
  const read = readsOf(lens, cell.query);
  const carried = lens.value_mass?.[cell.query]?.[value];
  const boxes = [
    {
      side: lens.queries,
      cluster: cell.query,
      name: "Query",
      note: read === null ? "" : `takes home ${fixed(read, 2)} × the mean`,
    },
    { side: lens.keys, cluster: cell.key, name: "Key", note: "" },
    ...(lens.values
      ? [
          {
            side: lens.values,
            cluster: value,
            name: "Value",
            note: typeof carried === "number" ? `${percent(carried)} of attention` : "",
          },
        ]
      : []),
  ];
  return boxes.map((box, at) =>
    drawWords({
      ...box,
      theme,
      form,
      x: geometry.words,
      y: geometry.boxes[at] ?? 0,
      width: Math.max(90, props.width - geometry.words - 4),
      height: geometry.boxHeight - 6,
    }),
  );
}

function drawTable(props: LensProps, geometry: LensGeometry): SVGGElement {
  const { lens, cell, theme, table } = props;
  const { top, pitch } = geometry;
  const rows = tableOf(props);
  const limit = table === "mass" ? 1 : lens.limits[table];
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
  const range = table === "mass" ? "0 to 1, √ scale" : `±${limit} at every step`;
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

/** Only tags that occur. */
function drawTags({ lens, theme, width }: LensProps, geometry: LensGeometry): SVGGElement {
  const present = lens.tags.filter((_, at) =>
    [lens.queries, lens.keys, ...(lens.values ? [lens.values] : [])].some(({ profile }) =>
      profile.tags.some((row) => (row[at] ?? 0) > 0),
    ),
  );
  const columns = tagColumns(geometry);
  const room = Math.max(90, width - geometry.words - 4);
  const marks = present.map((tag, at) =>
    svg(
      "g",
      { transform: `translate(${(at % columns) * TAG_PITCH},${Math.floor(at / columns) * 15})` },
      svg("rect", { width: 9, height: 9, fill: tagColour(tag, theme) }),
      svg("text", { class: "lens-word", x: 13, y: 9 }, tagLabel(tag)),
      svg("title", {}, tagName(tag)),
    ),
  );
  return svg(
    "g",
    { transform: `translate(${geometry.queries},${geometry.height + 18})` },
    ...marks,
    ...`tagged by ${lens.tagger}`
      .split("; ")
      .map((line, at) =>
        svg(
          "text",
          { class: "lens-note", x: geometry.words - geometry.queries, y: 27 + 14 * at },
          fitLabel(line, room).text,
          svg("title", {}, line),
        ),
      ),
  );
}
