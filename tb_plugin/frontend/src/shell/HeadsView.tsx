import { useRef } from "preact/hooks";
import { headMap, holdsLayer } from "../core/maps";
import type { HeadId, MetricSpec } from "../core/recording";
import { problemOf } from "../core/resource";
import { nextOrder } from "../layout/heads/head_list";
import { metricDomain } from "../layout/heads/life_lines";
import { curves } from "../state/derived/curves";
import { shownImage } from "../state/derived/image";
import { marksAmong } from "../state/derived/marks";
import { headList } from "../state/derived/ranked_heads";
import { otherHeads, otherReference } from "../state/head_overlay";
import { stripShown } from "../state/head_time";
import { referenceMaps } from "../state/reference";
import { allHeadsSeries, series, splitSeries } from "../state/series";
import { maps, metric, shown, view } from "../state/store";
import { createHeadsGrid } from "../views/heads/grid";
import { createHeadMaps } from "../views/heads/head_maps";
import { createHeadList } from "../views/heads/list";
import { changeHeads, selectHead } from "./actions";
import { HeadPictures } from "./HeadPictures";
import { HeadStrip } from "./HeadStrip";
import { HeadsSide } from "./HeadsSide";
import { HeadsTools } from "./HeadsTools";
import { headSource } from "./head_source";
import { JointMap } from "./JointMap";
import { Problem } from "./Problem";
import { theme } from "./theme";
import { useSize } from "./useSize";
import { ViewHost } from "./ViewHost";

interface PanelProps {
  readonly spec: MetricSpec;
}

/** Whether a head's weights at A are not all numbers. */
function hasNaN({ layer, head }: HeadId): boolean {
  const now = maps.value;
  return (
    now !== null && holdsLayer(now, layer) && headMap(now, layer, head).data.some(Number.isNaN)
  );
}

const held = (): HeadId | null => view.value.lock;

function Curves({ spec }: PanelProps) {
  const root = useRef<HTMLElement>(null);
  const viewport = useSize(root);
  const drawn = curves();
  const now = shown.value;
  const metricIndex = now?.run.metrics.indexOf(spec) ?? -1;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
    <section class="view" ref={root} tabIndex={0} aria-label="Curves of all heads">
      {viewport && now && drawn.length > 0 && metricIndex >= 0 && (
        <ViewHost
          create={createHeadsGrid}
          props={{
            viewport,
            theme: theme.value,
            part: now.part,
            metric: spec,
            metricIndex,
            curves: drawn,
            others: otherHeads.value,
            otherReference: otherReference.value,
            reach: view.value.reach,
            marks: marksAmong(drawn[0]?.series.steps ?? []),
            compared: view.value.compare === "diff" && referenceMaps.value !== null,
            isNaN: hasNaN,
            selected: held(),
            onSelect: selectHead,
          }}
        />
      )}
    </section>
  );
}

/** The maps of all heads of all layers. */
function Maps() {
  const root = useRef<HTMLElement>(null);
  const viewport = useSize(root);
  const [now, source] = [shown.value, headSource.value];
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
    <section class="view" ref={root} tabIndex={0} aria-label="Maps of all heads">
      {viewport && now && source && (
        <ViewHost
          create={createHeadMaps}
          props={{ viewport, part: now.part, source, selected: held(), onSelect: selectHead }}
        />
      )}
    </section>
  );
}

/** All heads as a table. */
function List({ spec }: PanelProps) {
  const source = headSource.value;
  const { order } = view.value.heads;
  const drawn = curves().map((curve) => curve.series);
  const at = shown.value?.run.metrics.indexOf(spec) ?? -1;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
    <section class="view" tabIndex={0} aria-label="List of all heads">
      {source && (
        <ViewHost
          create={createHeadList}
          props={{
            source,
            metric: spec,
            domain: metricDomain(spec, drawn, at, "possible"),
            seen: metricDomain(spec, drawn, at, "seen"),
            series: drawn[0] ?? null,
            metricIndex: at,
            marks: marksAmong(drawn[0]?.steps ?? []),
            heads: headList.value,
            order,
            selected: held(),
            onSort: (key) => changeHeads({ order: nextOrder(order, key) }),
            onSelect: selectHead,
          }}
        />
      )}
    </section>
  );
}

function Panel() {
  const spec = metric.value;
  switch (view.value.heads.panel) {
    case "joint":
      return <JointMap />;
    case "maps":
      return <Maps />;
    case "pictures":
      return shownImage.value ? <HeadPictures /> : <Maps />;
    case "list":
      return spec && <List spec={spec} />;
    case "curves":
      return spec && <Curves spec={spec} />;
  }
}

/** Every head's metric over all recorded steps, its map, and what is asked about all heads. */
export function HeadsView() {
  const answers = [series, splitSeries, allHeadsSeries];
  const untold = answers.map(({ value }) => problemOf(value)).find((text) => text !== null) ?? null;
  return (
    <div class="heads-view">
      <div class={stripShown.value ? "heads-main" : "heads-main whole"}>
        <HeadsTools />
        <Problem text={untold} />
        <Panel />
        {stripShown.value && <HeadStrip />}
      </div>
      <HeadsSide />
    </div>
  );
}
