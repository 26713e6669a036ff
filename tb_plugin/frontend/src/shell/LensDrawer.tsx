import { useRef } from "preact/hooks";
import { type LensTable, strongestCell } from "../core/lens";
import { headMap, holdsLayer } from "../core/maps";
import { headTitle, percent, thousands } from "../scale/format";
import { elbow, lens, lensProblem } from "../state/lens";
import { axes, maps, select, shown, view } from "../state/store";
import type { LensState } from "../state/view_state";
import { createLens } from "../views/lens/lens";
import { Segments } from "./Segments";
import { theme } from "./theme";
import { useSize } from "./useSize";
import { ViewHost } from "./ViewHost";

const TABLES: readonly { readonly value: LensTable; readonly text: string }[] = [
  { value: "products", text: "Raw (paper)" },
  { value: "centred", text: "Row-centred" },
  { value: "mass", text: "Attention" },
];

const change = (patch: Partial<LensState>): void => {
  const now = view.peek().lens;
  if (now) {
    select({ lens: { ...now, ...patch } });
  }
};

function Header({ state }: { readonly state: LensState }) {
  const value = lens.value;
  const vectors = value?.queries.labels.length ?? 0;
  const kept = value?.queries.kept ?? null;
  return (
    <header>
      <h2>
        HeadLens{" "}
        <span
          class="head-badge"
          style={{
            "--hue": `var(--head-${state.head % 16})`,
            "--ground": `var(--head-ground-${state.head % 16})`,
          }}
        >
          {state.head + 1}
        </span>{" "}
        {headTitle(state)}
      </h2>
      {value && (
        <span class="note grow">
          {`${thousands(vectors)} query vectors, k-means++`}
          {kept !== null && `, ${percent(kept)} of tokens kept their cluster`}
        </span>
      )}
      <label class="note">
        Clusters{" "}
        <input
          type="range"
          min={2}
          max={24}
          step={1}
          aria-label="Number of clusters"
          value={state.clusters}
          onChange={(event) => change({ clusters: event.currentTarget.valueAsNumber, cell: null })}
        />{" "}
        <output>{state.clusters}</output>
      </label>
      <Segments<LensTable>
        label="Table of HeadLens"
        variant="small"
        options={TABLES.map((option) => ({
          ...option,
          disabled:
            option.value === "mass" && value?.mass === null
              ? "The maps of these sentences were not recorded"
              : undefined,
        }))}
        current={state.table}
        onChoose={(table) => change({ table })}
      />
      <button type="button" class="button" onClick={() => select({ lens: null })}>
        Close
      </button>
    </header>
  );
}

/** HeadLens of one head, over the lower part of the view. */
export function LensDrawer() {
  const root = useRef<HTMLElement>(null);
  const size = useSize(root);
  const state = view.value.lens;
  const now = shown.value;
  const value = lens.value;
  if (!state) {
    return null;
  }
  const marks = axes.value &&
    maps.value &&
    holdsLayer(maps.value, state.layer) && { ...axes.value, maps: maps.value };
  const fits = value && now && value.layer < now.part.layers.length && value.part === now.part.name;
  return (
    <section class="lens" ref={root} aria-label={`HeadLens of ${headTitle(state)}`}>
      <Header state={state} />
      {lensProblem.value !== null && <p class="message">{lensProblem.value}</p>}
      {lensProblem.value === null && !value && <p class="note">Clustering queries and keys…</p>}
      {lensProblem.value === null && fits && size && marks && (
        <ViewHost
          create={createLens}
          props={{
            width: size.width - 28,
            theme: theme.value,
            lens: value,
            elbow: elbow.value,
            table: state.table,
            cell: state.cell ?? strongestCell(value[state.table] ?? value.products),
            map: headMap(marks.maps, value.layer, value.head),
            query: marks.query,
            key: marks.key,
            square: now.part.kind === "self",
            onCell: (cell) => change({ cell }),
          }}
        />
      )}
    </section>
  );
}
