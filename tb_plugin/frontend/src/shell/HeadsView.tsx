import { useMemo, useRef } from "preact/hooks";
import type { HeadId, MetricSpec } from "../core/recording";
import { rankByChange } from "../layout/heads/change";
import { curves } from "../state/derived/curves";
import { marksAmong } from "../state/derived/marks";
import { picture } from "../state/derived/picture";
import { referenceMaps } from "../state/reference";
import { axes, maps, metric, select, shown, view } from "../state/store";
import { createHeadsGrid } from "../views/heads/grid";
import { createRanking } from "../views/heads/ranking";
import { HeadStrip } from "./HeadStrip";
import { HeadsTools } from "./HeadsTools";
import { JointMap } from "./JointMap";
import { theme } from "./theme";
import { useSize } from "./useSize";
import { ViewHost } from "./ViewHost";

const selectHead = (head: HeadId | null): void =>
  select({ lock: head === null ? null : { ...head, key: null } });

function Grid({ spec }: { readonly spec: MetricSpec }) {
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
            reach: view.value.reach,
            marks: marksAmong(drawn[0]?.series.steps ?? []),
            selected: view.value.lock,
            onSelect: selectHead,
          }}
        />
      )}
    </section>
  );
}

function Side() {
  const [a, b, now] = [maps.value, referenceMaps.value, shown.value];
  const drawn = picture();
  const ranking = useMemo(
    () =>
      a && b && now
        ? rankByChange(
            a,
            b,
            now.part.layers.map(({ heads }) => heads),
          )
        : [],
    [a, b, now],
  );
  return (
    <aside class="side" aria-label="Change between A and B">
      {now && drawn && axes.value && (
        <ViewHost
          create={createRanking}
          props={{
            theme: theme.value,
            part: now.part,
            query: axes.value.query,
            key: axes.value.key,
            maps: drawn.maps,
            reference: drawn.reference,
            label: drawn.label,
            ranking,
            selected: view.value.lock,
            pin: view.value.pin,
            onSelect: selectHead,
          }}
        />
      )}
    </aside>
  );
}

/** Every head's metric over all recorded steps, and the heads that changed most. */
export function HeadsView() {
  const spec = metric.value;
  return (
    <div class="heads-view">
      <div class="heads-main">
        <HeadsTools />
        {view.value.heads.panel === "joint" ? <JointMap /> : spec && <Grid spec={spec} />}
        <HeadStrip />
      </div>
      <Side />
    </div>
  );
}
