// What is on screen as rows of a table (RFC 4180), counted from 0 as everywhere outside the screen.
import type { Axis } from "../core/axis";
import { at, holdsLayer, type Maps, type Matrix, type Series, seriesValue } from "../core/maps";
import type { Part, StepEntry } from "../core/recording";
import type { Importance } from "../core/redundant_heads";
import type { Plane } from "../layout/graph/graph_planes";
import type { LayerView } from "../layout/network/layer_view";
import { compareLinks, selectLinks } from "../layout/network/links";
import { layerNumbers, shownMap } from "../layout/network/network_numbers";
import type { Chart } from "../layout/signals/chart";

type Cell = string | number;

/** Every field that could be misread is quoted; numbers keep their full precision. */
export function toCsv(header: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const field = (cell: Cell): string => {
    const text = typeof cell === "number" && Number.isNaN(cell) ? "" : String(cell);
    return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return `${[header, ...rows].map((row) => row.map(field).join(",")).join("\r\n")}\r\n`;
}

/** Heads in the order in which they would go: what each does alone, and what the first so many do. */
export function removalCsv(importance: Importance): string {
  const together = new Map(importance.without.map(({ heads, effect }) => [heads, effect]));
  return toCsv(
    ["rank", "part", "layer", "head", "effect", "effect_of_all_so_far", "unit", "step"],
    importance.heads.map(({ part, layer, head, effect }, at) => [
      at,
      part,
      layer,
      head,
      effect,
      together.get(at + 1) ?? "",
      importance.unit,
      importance.step,
    ]),
  );
}

export interface NetworkTable {
  readonly part: Part;
  readonly query: Axis;
  readonly key: Axis;
  readonly maps: Maps;
  readonly reference: Maps | null;
  readonly layers: readonly LayerView[];
  /** Even attention of every layer. */
  readonly even: readonly Matrix[];
}

const NETWORK_HEADER = [
  "kind",
  "layer",
  "head",
  "query",
  "query_token",
  "key",
  "key_token",
  "value",
];

/** Layers shown as links give their drawn links, layers shown as maps every cell of every head. */
export function networkCsv(table: NetworkTable): string {
  const rows = table.layers.flatMap((view, layer) => {
    if (!holdsLayer(table.maps, layer)) {
      return []; // outside of the shown layers
    }
    return view.mode === "sankey" ? linkRows(table, view, layer) : mapRows(table, layer);
  });
  return toCsv(NETWORK_HEADER, rows);
}

function place({ query, key }: NetworkTable, q: number, k: number): Cell[] {
  return [
    query[q]?.members[0] ?? q,
    query[q]?.text ?? "",
    key[k]?.members[0] ?? k,
    key[k]?.text ?? "",
  ];
}

function linkRows(table: NetworkTable, { cut }: LayerView, layer: number): Cell[][] {
  const heads = table.part.layers[layer]?.heads ?? 0;
  const { mean } = layerNumbers(table.maps, layer, heads);
  const even = table.even[layer] ?? { ...mean, data: new Float32Array(mean.data.length) };
  if (table.reference === null) {
    return selectLinks(mean, cut, even).links.map(({ query, key, weight }) => [
      "link",
      layer,
      "mean",
      ...place(table, query, key),
      weight,
    ]);
  }
  const before = layerNumbers(table.reference, layer, heads).mean;
  return compareLinks(mean, before, cut, even).links.map(({ query, key, fate }) => [
    `link ${fate}`,
    layer,
    "mean",
    ...place(table, query, key),
    at(mean, query, key) - at(before, query, key),
  ]);
}

function mapRows(table: NetworkTable, layer: number): Cell[][] {
  const heads = table.part.layers[layer]?.heads ?? 0;
  return Array.from({ length: heads }, (_, head) => {
    const map = shownMap(table.maps, table.reference, layer, head);
    return Array.from(map.data, (value, cell) => [
      "map",
      layer,
      head,
      ...place(table, Math.floor(cell / map.cols), cell % map.cols),
      value,
    ]);
  }).flat();
}

/** Every drawn edge of every plane; `change` and `fate` are empty while one step is shown. */
export function graphCsv(planes: readonly Plane[], query: Axis, key: Axis): string {
  const name = (axis: Axis, token: number): Cell[] => [
    axis[token]?.members[0] ?? token,
    axis[token]?.text ?? "",
  ];
  const rows = planes.flatMap(({ kept, layers }) =>
    kept.map(({ from, to, weight, forward, backward, level, change, fate }) => [
      layers.start,
      ...name(query, from),
      ...name(key, to),
      weight,
      forward,
      backward,
      level,
      change ?? Number.NaN,
      fate ?? "",
    ]),
  );
  return toCsv(
    [
      "layer",
      "from",
      "from_token",
      "to",
      "to_token",
      "weight",
      "forward",
      "backward",
      "level",
      "change",
      "fate",
    ],
    rows,
  );
}

export interface CurveTable {
  readonly part: Part;
  readonly metric: string;
  readonly metricIndex: number;
  readonly steps: readonly StepEntry[];
  readonly curves: readonly { readonly name: string; readonly series: Series }[];
}

/** Every point of every life line. */
export function curvesCsv({ part, metric, metricIndex, steps, curves }: CurveTable): string {
  const epochs = new Map(steps.map(({ step, epoch }) => [step, epoch]));
  const rows = curves.flatMap(({ name, series }) =>
    series.steps.flatMap((step, index) =>
      part.layers.flatMap(({ heads }, layer) =>
        Array.from({ length: heads }, (_, head) => [
          name,
          step,
          epochs.get(step) ?? "",
          layer,
          head,
          seriesValue(series, index, layer, head, metricIndex),
        ]),
      ),
    ),
  );
  return toCsv(["curve", "step", "epoch", "layer", "head", metric], rows);
}

/** Every point of every chart on screen, with the edges of its band. */
export function chartsCsv(charts: readonly Chart[], steps: readonly StepEntry[]): string {
  const rows = charts.flatMap((chart) =>
    chart.lines.flatMap(({ name, values, low, high }) =>
      steps.map(({ step, epoch }, at) => [
        chart.title,
        chart.unit,
        name,
        step,
        epoch,
        values[at] ?? Number.NaN,
        low?.[at] ?? Number.NaN,
        high?.[at] ?? Number.NaN,
        chart.p?.[at] ?? Number.NaN,
      ]),
    ),
  );
  const header = ["chart", "unit", "curve", "step", "epoch", "value", "low", "high", "p"];
  return toCsv(header, rows);
}
