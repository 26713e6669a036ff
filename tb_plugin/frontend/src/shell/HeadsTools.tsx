import type { Reach } from "../layout/heads/life_lines";
import { metric, recording, select, view } from "../state/store";
import type { CurveSource, HeadsState } from "../state/view_state";
import { Segments } from "./Segments";

const SOURCES: readonly { readonly value: CurveSource; readonly text: string }[] = [
  { value: "sentence", text: "This sentence" },
  { value: "splits", text: "All probes" },
];

const REACHES: readonly { readonly value: Reach; readonly text: string }[] = [
  { value: "possible", text: "Full range" },
  { value: "seen", text: "Range seen" },
];

const PANELS: readonly { readonly value: HeadsState["panel"]; readonly text: string }[] = [
  { value: "curves", text: "Curves over steps" },
  { value: "joint", text: "Query–key map" },
];

const POINTS: readonly { readonly value: HeadsState["points"]; readonly text: string }[] = [
  { value: "kind", text: "Query or key" },
  { value: "tag", text: "Part of speech" },
];

const change = (patch: Partial<HeadsState>): void =>
  select({ heads: { ...view.peek().heads, ...patch } });

/** What the Heads view shows, and the settings of that. */
export function HeadsTools() {
  const { panel, points } = view.value.heads;
  return (
    <div class="heads-tools">
      <Segments<HeadsState["panel"]>
        label="Show"
        variant="small"
        options={PANELS}
        current={panel}
        onChoose={(next) => change({ panel: next })}
      />
      {panel === "curves" ? (
        <CurveTools />
      ) : (
        <Segments<HeadsState["points"]>
          label="Colour of the points"
          variant="small"
          options={POINTS}
          current={points}
          onChoose={(next) => change({ points: next })}
        />
      )}
    </div>
  );
}

/** Which metric the curves show, and of which sentences. */
function CurveTools() {
  const specs = recording.value?.metrics ?? [];
  const spec = metric.value;
  if (!spec) {
    return null;
  }
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset's legend cannot be laid out in a row
    <div class="tools" role="group" aria-label="Curves">
      <select
        class="select"
        aria-label="Metric"
        value={spec.name}
        onChange={(event) => select({ metric: event.currentTarget.value })}
      >
        {specs.map(({ name, title }) => (
          <option key={name} value={name}>
            {title}
          </option>
        ))}
      </select>
      <Segments<CurveSource>
        label="Curves of"
        variant="small"
        options={SOURCES}
        current={view.value.curves}
        onChoose={(curves) => select({ curves })}
      />
      <Segments<Reach>
        label="Range of the curves"
        variant="small"
        options={REACHES}
        current={view.value.reach}
        onChoose={(reach) => select({ reach })}
      />
      <span class="note metric-note" title={spec.reading}>
        {spec.unit}
      </span>
      <span class="note legend">
        <i class="legend-uniform" /> uniform
        {view.value.curves === "splits" && (
          <>
            <i class="legend-train" /> training
          </>
        )}
      </span>
    </div>
  );
}
