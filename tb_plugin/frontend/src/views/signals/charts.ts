// All charts of the signals view in one picture: a click on a step selects it.
import { stepAt, valueText } from "../../layout/signals/chart";
import { placeRows } from "../../layout/signals/chart_rows";
import { metricValue, stepLabel } from "../../scale/format";
import { html, svg } from "../dom";
import { createTooltip, type TipLine } from "../tooltip";
import type { View } from "../view";
import { buildChart, type ChartScene, HATCH } from "./chart_scene";
import type { SignalsProps } from "./signals_props";

const MENU_WIDTH = 190;

export function createSignalCharts(host: HTMLElement): View<SignalsProps> {
  const picture = svg("svg", { class: "signal-picture" });
  const root = html("div", { class: "signals" }, picture);
  const tooltip = createTooltip(root);
  host.append(root);
  let props: SignalsProps | null = null;
  let scenes: readonly ChartScene[] = [];

  const under = (event: PointerEvent): { scene: ChartScene; index: number } | null => {
    const node = event.target instanceof Element ? event.target.closest(".chart") : null;
    const scene = scenes.find((known) => known.root === node);
    if (!scene || !props || props.steps.length === 0) {
      return null;
    }
    const corner = picture.getBoundingClientRect();
    const at = {
      x: event.clientX - corner.x - scene.box.x,
      y: event.clientY - corner.y - scene.box.y,
    };
    return { scene, index: stepAt(scene.chart, scene.axes, props.steps.length, at) };
  };
  const hit = (event: Event): boolean =>
    event.target instanceof Element && event.target.matches(".chart-hit");

  picture.addEventListener("pointerdown", (event) => {
    const found = hit(event) ? under(event) : null;
    if (found && event.target instanceof Element) {
      event.target.setPointerCapture(event.pointerId);
      props?.onStep(found.index);
    }
  });
  picture.addEventListener("pointermove", (event) => {
    const found = hit(event) ? under(event) : null;
    if (!found || !props) {
      tooltip.hide();
      return;
    }
    tooltip.show(event, describe(props, found.scene, found.index));
    if (event.target instanceof Element && event.target.hasPointerCapture(event.pointerId)) {
      props.onStep(found.index);
    }
  });
  picture.addEventListener("pointerleave", () => tooltip.hide());
  root.addEventListener("change", (event) => {
    if (event.target instanceof HTMLSelectElement) {
      props?.onMetric(Number(event.target.dataset.slot), event.target.value);
    }
  });

  return {
    update(next) {
      if (!props || changesScene(props, next)) {
        scenes = build(next, root, picture);
      }
      props = next;
      for (const scene of scenes) {
        scene.mark(next.marks);
      }
    },
    destroy() {
      tooltip.destroy();
      root.remove();
    },
  };
}

/** Charts are drawn again for other numbers or another window, not for another step. */
const changesScene = (before: SignalsProps, next: SignalsProps): boolean =>
  before.viewport !== next.viewport ||
  before.groups !== next.groups ||
  before.steps !== next.steps ||
  before.metrics !== next.metrics;

/** The stroke of "what chance does": not a tone of its own, so that it is no line of data. */
function hatch(): SVGElement {
  const pattern = svg(
    "pattern",
    { id: HATCH, width: 6, height: 6, patternUnits: "userSpaceOnUse" },
    svg("path", { class: "hatch", d: "M-1,1l2,-2M0,6l6,-6M5,7l2,-2" }),
  );
  return svg("defs", {}, pattern);
}

function build(
  props: SignalsProps,
  root: HTMLElement,
  picture: SVGSVGElement,
): readonly ChartScene[] {
  const rows = placeRows(
    props.groups.map(({ heading, size, charts }) => ({ heading, size, count: charts.length })),
    props.viewport,
  );
  const scenes = props.groups.flatMap(({ charts }, row) =>
    charts.flatMap((chart, at) => {
      const box = rows.boxes[row]?.[at];
      return box ? [buildChart(chart, props.steps, box)] : [];
    }),
  );
  const headings = props.groups.flatMap(({ heading }, row) => {
    const y = rows.headings[row] ?? null;
    return heading === null || y === null
      ? []
      : [
          svg("line", { class: "row-rule", x1: 14, x2: rows.width - 14, y1: y - 4, y2: y - 4 }),
          svg("text", { class: "row-heading", x: 14, y: y + 12 }, heading),
        ];
  });
  picture.setAttribute("width", String(rows.width));
  picture.setAttribute("height", String(rows.height));
  picture.replaceChildren(hatch(), ...headings, ...scenes.map((scene) => scene.root));
  placeMenus(props, root, scenes);
  return scenes;
}

/** A menu over the title of each chart whose metric can be chosen; the one in use keeps the focus. */
function placeMenus(props: SignalsProps, root: HTMLElement, scenes: readonly ChartScene[]): void {
  const focused = document.activeElement;
  const slot = focused instanceof HTMLSelectElement ? focused.dataset.slot : undefined;
  for (const old of root.querySelectorAll("select")) {
    old.remove();
  }
  for (const { chart, box } of scenes) {
    if (chart.slot === undefined) {
      continue;
    }
    const menu = html("select", {
      class: "select chart-menu",
      "aria-label": `Metric of chart ${chart.slot + 1}`,
      "data-slot": chart.slot,
    });
    menu.append(...props.metrics.map(({ name, title }) => html("option", { value: name }, title)));
    menu.value = props.watched[chart.slot] ?? "";
    menu.style.left = `${box.x + 8}px`;
    menu.style.top = `${box.y - 1}px`;
    menu.style.maxWidth = `${Math.min(MENU_WIDTH, box.width - 20)}px`;
    root.append(menu);
    if (slot === String(chart.slot)) {
      menu.focus();
    }
  }
}

function describe(props: SignalsProps, { chart, axes }: ChartScene, index: number): TipLine[] {
  const entry = props.steps[index];
  const lines = chart.lines.map((line): TipLine => {
    const [from, to] = [line.low?.[index], line.high?.[index]];
    const around =
      from === undefined || to === undefined || !Number.isFinite(from)
        ? ""
        : ` (${metricValue(from, axes.digits)} to ${metricValue(to, axes.digits)})`;
    return { text: `${line.name} ${valueText(line, index, axes.digits)}${around}` };
  });
  return [
    { text: entry ? stepLabel(entry) : "", tone: "strong" },
    ...lines,
    ...(chart.across
      ? [{ text: `across ${metricValue(chart.across[index] ?? Number.NaN, axes.digits)}` }]
      : []),
    ...(Number.isFinite(chart.p?.[index])
      ? [{ text: `p = ${metricValue(chart.p?.[index] ?? Number.NaN, 3)}` }]
      : []),
    ...(chart.rings ?? [])
      .filter((ring) => ring.index === index)
      .map(({ text }): TipLine => ({ text })),
    { text: `${chart.unit}; click to move A here`, tone: "quiet" },
  ];
}
