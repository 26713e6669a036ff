import type { Reach } from "../layout/heads/life_lines";
import { shownImage } from "../state/derived/image";
import { nouns } from "../state/derived/nouns";
import { incomparable } from "../state/reference";
import { metric, recording, select, view } from "../state/store";
import type { CurveSource, HeadsState } from "../state/view_state";
import { changeHeads } from "./actions";
import { Segments } from "./Segments";

const REACHES: readonly { readonly value: Reach; readonly text: string }[] = [
  { value: "possible", text: "Full range" },
  { value: "seen", text: "Range seen" },
];

const POINTS: readonly { readonly value: HeadsState["points"]; readonly text: string }[] = [
  { value: "kind", text: "Query or key" },
  { value: "tag", text: "Part of speech" },
];

/** Over an image 1 of 65 patches is nothing on a scale from 0 to 1: there colours begin as × even. */
function choosePanel(panel: HeadsState["panel"]): void {
  changeHeads({ panel });
  if (panel === "pictures" && view.peek().scale === "fixed") {
    select({ scale: "even" });
  }
}

/** What the Heads view shows, and the settings of that. */
export function HeadsTools() {
  const { panel, points } = view.value.heads;
  // Where B cannot be shown, A is.
  const seen = incomparable.value === null ? view.value.compare : "A";
  const mapsText = { A: "Maps at A", B: "Maps at B", diff: "Maps A \u2212 B" }[seen];
  return (
    <div class="heads-tools">
      <Segments<HeadsState["panel"]>
        label="Show"
        variant="small"
        options={[
          { value: "curves", text: "Curves over steps" },
          { value: "maps", text: mapsText },
          ...(shownImage.value ? [{ value: "pictures" as const, text: "Over the image" }] : []),
          { value: "list", text: "List" },
          { value: "joint", text: "Query\u2013key map" },
        ]}
        current={panel}
        onChoose={choosePanel}
      />
      {panel === "joint" && (
        <Segments<HeadsState["points"]>
          label="Colour of the points"
          variant="small"
          options={POINTS}
          current={points}
          onChoose={(next) => changeHeads({ points: next })}
        />
      )}
      {panel === "curves" && <CurveTools />}
      {panel === "list" && <MetricTools />}
      {panel === "maps" && <span class="note">all heads of all layers; click one to hold it</span>}
    </div>
  );
}

function MetricSelect() {
  const specs = recording.value?.metrics ?? [];
  return (
    <select
      class="select"
      aria-label="Metric"
      title={metric.value?.reading}
      value={metric.value?.name ?? ""}
      onChange={(event) => select({ metric: event.currentTarget.value })}
    >
      {specs.map(({ name, title }) => (
        <option key={name} value={name}>
          {title}
        </option>
      ))}
    </select>
  );
}

function SourceChoice() {
  return (
    <Segments<CurveSource>
      label="Curves of"
      variant="small"
      options={[
        { value: "sentence", text: `This ${nouns.value.probe}` },
        { value: "splits", text: "All probes", title: "Means over validation and training probes" },
      ]}
      current={view.value.curves}
      onChoose={(curves) => select({ curves })}
    />
  );
}

/** By which metric the list tells of heads. */
function MetricTools() {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset's legend cannot be laid out in a row
    <div class="tools" role="group" aria-label="List">
      <MetricSelect />
      <SourceChoice />
      <span class="note metric-note">click a heading to sort</span>
    </div>
  );
}

/** Which metric the curves show, and of which sentences. */
function CurveTools() {
  const spec = metric.value;
  if (!spec) {
    return null;
  }
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset's legend cannot be laid out in a row
    <div class="tools" role="group" aria-label="Curves">
      <MetricSelect />
      <SourceChoice />
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
