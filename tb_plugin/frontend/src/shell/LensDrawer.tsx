import { useEffect, useRef } from "preact/hooks";
import { carriedBy, firstCell, type Lens, type LensTable } from "../core/headlens";
import { headMap, holdsLayer } from "../core/maps";
import { problemOf, readyValue } from "../core/resource";
import { fixed, headTitle, percent, thousands } from "../scale/format";
import { elbow, lens } from "../state/lens_question";
import { alike, axes, maps, select, shown, view } from "../state/store";
import type { LensState, LensWords } from "../state/view_state";
import { createLens } from "../views/lens/lens";
import { Problem } from "./Problem";
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

const WORDS: readonly { readonly value: LensWords; readonly text: string }[] = [
  { value: "bars", text: "Bars" },
  { value: "cloud", text: "Cloud" },
];

/** How well clusters are the same ones as at an earlier step. */
function matchOf({ queries, keys, values }: Lens): { text: string; title: string } {
  const sides = [
    { name: "query", side: queries },
    { name: "key", side: keys },
    ...(values ? [{ name: "value", side: values }] : []),
  ];
  const matched = sides.flatMap(({ name, side: { kept, agreement } }) =>
    kept === null || agreement === null ? [] : [{ name, kept, agreement }],
  );
  const text = matched.map(({ name, kept }) => `${name} ${percent(kept)}`).join(", ");
  return {
    text,
    title: `Kept their cluster: ${text}. These tokens are in the same cluster as at an earlier step; adjusted Rand index: ${matched
      .map(({ name, agreement }) => `${name} ${fixed(agreement)}`)
      .join(", ")}`,
  };
}

function Header({ state }: { readonly state: LensState }) {
  const value = readyValue(lens.value);
  const match = value && matchOf(value);
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
        <span class="note grow lens-match" title={match?.title}>
          {`${thousands(value.queries.labels.length)} queries, ${thousands(value.keys.labels.length)} keys`}
          {match?.text && ` · kept their cluster: ${match.text}`}
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
          onChange={(event) =>
            change({ clusters: event.currentTarget.valueAsNumber, cell: null, value: null })
          }
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
      <Segments<LensWords>
        label="Words of the clusters"
        variant="small"
        options={WORDS}
        current={state.words}
        onChoose={(words) => change({ words })}
      />
      <button type="button" class="button" onClick={() => select({ lens: null })}>
        Close
      </button>
    </header>
  );
}

/** HeadLens of one head, over the lower part of the view; nothing while it is closed. */
export function LensDrawer() {
  const state = view.value.lens;
  // A component of its own: its size can be measured only once it is on the page.
  return state && <Drawer state={state} />;
}

function Drawer({ state }: { readonly state: LensState }) {
  const root = useRef<HTMLElement>(null);
  const size = useSize(root);
  const now = shown.value;
  const value = readyValue(lens.value);
  const problem = problemOf(lens.value);
  const first = value ? firstCell(value) : null;
  // The first choice is kept: the same clusters stay chosen while the slider moves.
  useEffect(() => {
    if (state.cell === null && first) {
      change({ cell: first });
    }
  }, [state.cell, first]);
  const cell = state.cell ?? first;
  const marks = axes.value &&
    maps.value &&
    holdsLayer(maps.value, state.layer) && { ...axes.value, maps: maps.value };
  const fits = value && now && value.layer < now.part.layers.length && value.part === now.part.name;
  return (
    <section
      class={problem === null ? "lens" : "lens untold"}
      ref={root}
      aria-label={`HeadLens of ${headTitle(state)}`}
    >
      <Header state={state} />
      <Problem text={problem ?? problemOf(elbow.value)} />
      {problem === null && !value && <p class="note">Clustering queries and keys…</p>}
      {problem === null && fits && cell && size && marks && (
        <ViewHost
          create={createLens}
          props={{
            width: size.width - 28,
            theme: theme.value,
            lens: value,
            elbow: readyValue(elbow.value),
            table: state.table,
            cell,
            value: state.value ?? carriedBy(value, cell.key),
            words: state.words,
            map: headMap(marks.maps, value.layer, value.head),
            query: marks.query,
            key: marks.key,
            square: alike.value,
            pin: view.value.pin,
            onCell: (chosen) => change({ cell: chosen, value: null }),
            onValue: (cluster) => change({ value: cluster }),
          }}
        />
      )}
    </section>
  );
}
