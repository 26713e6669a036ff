import { signal } from "@preact/signals";
import { axesOf } from "../core/recording";
import { composeSvg, svgText, svgToPng } from "../export/compose";
import { chartsCsv, curvesCsv, graphCsv, networkCsv } from "../export/csv";
import { partTitle, stepLabel } from "../scale/format";
import { sentenceText } from "../scale/text";
import { chartGroups } from "../state/derived/chart_groups";
import { curves } from "../state/derived/curves";
import { evenMaps } from "../state/derived/even_maps";
import { picture } from "../state/derived/picture";
import { planes } from "../state/derived/planes";
import { axes, layerViews, metric, shown, steps, view } from "../state/store";
import { embeddedFonts } from "./fonts";
import { changeScaleText, drawsMaps, SCALE_TEXTS } from "./ScaleLegend";
import { save } from "./save";

const failed = signal<string | null>(null);

/** What a figure shows, below it: run, part, step and sentence, and what its colours span. */
function caption(): string[] {
  const now = shown.peek();
  if (!now) {
    return [];
  }
  const label = picture()?.label ?? stepLabel(now.entry);
  const { query, key } = axesOf(now.part, now.probe);
  const sentences = [...new Set([key, query])].map((tokens) => sentenceText(tokens));
  const { tab, compare, scale: chosen } = view.peek();
  const contrast = drawsMaps(tab) ? chosen : "fixed";
  const scale = compare === "diff" ? changeScaleText(contrast) : SCALE_TEXTS[contrast];
  return [
    `${now.run.name} · ${partTitle(now.part.name)} · ${label}`,
    ...(tab === "signals" ? [] : [sentences.join(" → "), scale]),
  ];
}

/** The view as SVG, drawn from its top left corner whatever is scrolled into sight. */
function figure(): SVGSVGElement | null {
  const view = document.querySelector<HTMLElement>(".view");
  const host = view?.querySelector<HTMLElement>(".view-host");
  if (!view || !host) {
    return null;
  }
  const { scrollLeft, scrollTop } = view;
  view.scrollTo(0, 0);
  const ground = getComputedStyle(view).backgroundColor;
  const drawn = composeSvg(host, ground, caption());
  view.scrollTo(scrollLeft, scrollTop);
  return drawn;
}

function table(): string | null {
  if (view.peek().tab === "signals") {
    const charts = chartGroups.peek().flatMap((group) => group.charts);
    return chartsCsv(charts, steps.peek());
  }
  const [now, drawn, marks, spec] = [shown.peek(), picture(), axes.peek(), metric.peek()];
  if (!now || !drawn || !marks) {
    return null;
  }
  if (view.peek().tab === "network") {
    return networkCsv({
      ...marks,
      ...drawn,
      part: now.part,
      layers: layerViews.peek(),
      even: evenMaps.peek(),
    });
  }
  if (view.peek().tab === "graph") {
    return graphCsv(planes.peek(), marks.query, marks.key);
  }
  const metricIndex = spec ? now.run.metrics.indexOf(spec) : -1;
  return spec
    ? curvesCsv({
        part: now.part,
        metric: spec.name,
        metricIndex,
        steps: steps.peek(),
        curves: curves(),
      })
    : null;
}

const saveSvg = async (): Promise<void> => {
  const drawn = figure();
  if (drawn) {
    save(new Blob([svgText(drawn)], { type: "image/svg+xml" }), "svg");
  }
};

const savePng = async (): Promise<void> => {
  const drawn = figure();
  if (drawn) {
    save(await svgToPng(drawn, await embeddedFonts()), "png");
  }
};

const saveCsv = async (): Promise<void> => {
  const text = table();
  if (text !== null) {
    save(new Blob([text], { type: "text/csv" }), "csv");
  }
};

const FORMATS = [
  { name: "SVG", what: "the picture as SVG", run: saveSvg },
  { name: "PNG", what: "the picture as PNG", run: savePng },
  { name: "CSV", what: "the numbers as CSV", run: saveCsv },
];

/** Whether there is nothing on screen to save. */
const isEmpty = (): boolean =>
  view.value.tab === "signals" ? chartGroups.value.length === 0 : shown.value === null;

async function attempt(run: () => Promise<void>): Promise<void> {
  try {
    failed.value = null;
    await run();
  } catch (error) {
    failed.value = error instanceof Error ? error.message : String(error);
  }
}

/** Save exactly what is shown. */
export function Downloads() {
  return (
    <>
      {failed.value !== null && <span class="note">{`Not saved: ${failed.value}`}</span>}
      {FORMATS.map(({ name, what, run }) => (
        <button
          key={name}
          type="button"
          class="button"
          aria-label={`Download ${what}`}
          title={`Download ${what}`}
          disabled={isEmpty()}
          onClick={() => void attempt(run)}
        >
          ↓ {name}
        </button>
      ))}
    </>
  );
}
