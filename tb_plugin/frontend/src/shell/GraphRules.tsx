// Which edges there are, and how they are drawn.

import type { Fate } from "../core/selection";
import type { EdgeColour } from "../layout/graph/edge_style";
import { isSink, type Plane } from "../layout/graph/graph_planes";
import { followable, PRUNE_RANGE, type Prune } from "../layout/graph/graph_prune";
import { groupSize } from "../layout/graph/layer_groups";
import { NORM_RANGE, type Norm, type PairRule } from "../layout/graph/token_graph";
import { fixed, percent, thousands } from "../scale/format";
import { nouns } from "../state/derived/nouns";
import { sentence } from "../state/derived/planes";
import { recording, shown, view } from "../state/store";
import { changeGraph as change } from "./actions";

interface Option<Value extends string> {
  readonly value: Value;
  readonly text: string;
}

const NORMS: readonly (Option<Norm> & { readonly unit: string })[] = [
  { value: "uniform", text: "× even", unit: "times even attention" },
  { value: "raw", text: "Raw weight", unit: "attention" },
  { value: "row", text: "Per row", unit: "share of the row’s strongest" },
  { value: "layer", text: "Min–max per layer", unit: "0 weakest, 1 strongest" },
  { value: "rank", text: "Rank", unit: "share of edges at most as strong" },
  { value: "log", text: "Log", unit: "log₁₀ of × even" },
];

const PAIRS: readonly Option<PairRule>[] = [
  { value: "sum", text: "Sum A + Aᵀ" },
  { value: "mean", text: "Mean" },
  { value: "max", text: "Maximum" },
  { value: "directed", text: "Directed" },
];

const prunes = (token: string): readonly Option<Prune>[] => [
  { value: "auto", text: `Best of each ${token}` },
  { value: "level", text: "From a level on" },
  { value: "count", text: "Strongest per layer" },
  { value: "mass", text: "Share of weight" },
];

const COLOURS: readonly Option<EdgeColour>[] = [
  { value: "weight", text: "Weight" },
  { value: "head", text: "Head" },
  { value: "opacity", text: "Opacity (CS559)" },
];

interface ChoiceProps<Value extends string> {
  readonly label: string;
  readonly title?: string;
  readonly value: Value;
  readonly options: readonly Option<Value>[];
  readonly onChoose: (value: Value) => void;
}

function Choice<Value extends string>(props: ChoiceProps<Value>) {
  const { label, title, value, options, onChoose } = props;
  return (
    <label class="field" title={title}>
      <span>{label}</span>
      <select
        class="select"
        aria-label={label}
        value={value}
        onChange={(event) => {
          const found = options.find((option) => option.value === event.currentTarget.value);
          if (found) {
            onChoose(found.value);
          }
        }}
      >
        {options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.text}
          </option>
        ))}
      </select>
    </label>
  );
}

interface CheckProps {
  readonly text: string;
  readonly checked: boolean;
  readonly missing?: string | undefined;
  readonly onChange: (checked: boolean) => void;
}

function Check({ text, checked, missing, onChange }: CheckProps) {
  return (
    <label class="check" title={missing}>
      <input
        type="checkbox"
        checked={checked}
        disabled={missing !== undefined}
        onChange={(event) => onChange(event.currentTarget.checked)}
      />
      <span>{text}</span>
    </label>
  );
}

const headText = (head: string): string =>
  head === "mean" ? "Mean" : head === "max" ? "Maximum" : `Head ${Number(head) + 1}`;

const AMOUNTS: Readonly<Record<Prune, string>> = {
  auto: "Edges kept in every layer",
  level: "Keep edges from this level on",
  count: "Edges kept in every layer",
  mass: "Share of the weight that is kept",
};

/** How much is kept. As many as there are words until the slider is moved. */
function Amount({ words }: { readonly words: number }) {
  const { prune, norm, least } = view.value.graph;
  const kind = prune === "auto" ? "count" : prune;
  const amount = prune === "auto" ? followable(words) : least;
  const max = kind === "level" ? NORM_RANGE[norm].max : PRUNE_RANGE[kind].max;
  const step = kind === "level" ? max / 120 : PRUNE_RANGE[kind].step;
  return (
    <label class="field">
      <span>{kind === "level" ? "Keep if ≥" : kind === "count" ? "Edges per layer" : "Keep"}</span>
      <input
        type="range"
        min={0}
        max={max}
        step={step}
        aria-label={AMOUNTS[prune]}
        value={amount}
        onInput={(event) => change({ prune: kind, least: event.currentTarget.valueAsNumber })}
      />
      <output>
        {kind === "count" ? amount : kind === "mass" ? percent(amount) : fixed(amount)}
      </output>
    </label>
  );
}

const startOf = (prune: Prune, norm: Norm): number =>
  prune === "level" || prune === "auto" ? NORM_RANGE[norm].start : PRUNE_RANGE[prune].start;

export const feedForwardOf = (
  options: Readonly<Record<string, string | number | boolean>>,
): { readonly narrow: number; readonly wide: number } | null => {
  const { d_model: narrow, d_ff: wide } = options;
  return typeof narrow === "number" && typeof wide === "number" ? { narrow, wide } : null;
};

/** How many neighbouring layers share a plane; only deep models need it. */
function Grouping() {
  const layers = shown.value?.part.layers.length ?? 0;
  const size = groupSize(view.value.graph.group, layers);
  if (layers < 6) {
    return null;
  }
  const sizes = [1, 2, 3, 4, 6, 8].filter((count) => count < layers);
  return (
    <Choice
      label="Layers per plane"
      value={String(size)}
      options={[...new Set([...sizes, size])]
        .sort((a, b) => a - b)
        .map((count) => ({ value: String(count), text: count === 1 ? "1" : `${count}, mean` }))}
      onChoose={(count) => change({ group: Number(count), node: { layer: 0, token: 1 } })}
    />
  );
}

export function GraphRules({ planes }: { readonly planes: readonly Plane[] }) {
  const { graph } = view.value;
  const part = shown.value?.part;
  const heads = Math.max(1, ...(part?.layers ?? []).map((layer) => layer.heads));
  const cross = sentence.value?.cross ?? false;
  const special = mean(planes.map((plane) => plane.specialMass));
  const kept = planes.reduce((all, plane) => all + plane.kept.length, 0);
  const total = planes.reduce((all, plane) => all + plane.all.length, 0);
  const marks = sentence.value;
  const words = (marks?.key ?? []).filter(
    (_, token, key) => !(graph.words && isSink(key, token, marks?.causal ?? false)),
  ).length;
  const feed = feedForwardOf(recording.value?.options ?? {});
  const headOptions = ["mean", "max", ...Array.from({ length: heads }, (_, head) => String(head))];
  return (
    <>
      <h2>Edges</h2>
      <Choice
        label="Head"
        value={String(graph.head)}
        options={headOptions.map((value, at) => ({
          value,
          text: at < 2 ? `${headText(value)} of ${heads}` : headText(value),
        }))}
        onChoose={(head) =>
          change({ head: head === "mean" || head === "max" ? head : Number(head) })
        }
      />
      {!cross && (
        <Choice
          label="Direction"
          value={graph.pair}
          options={PAIRS}
          onChoose={(pair) => change({ pair })}
        />
      )}
      <Choice
        label="Strength"
        title={`How strong an edge is: ${NORMS.find(({ value }) => value === graph.norm)?.unit}`}
        value={graph.norm}
        options={NORMS}
        onChoose={(norm) =>
          change(graph.prune === "level" ? { norm, least: NORM_RANGE[norm].start } : { norm })
        }
      />
      <Choice
        label="Keep"
        value={graph.prune}
        options={prunes(nouns.value.token)}
        onChoose={(prune) => change({ prune, least: startOf(prune, graph.norm) })}
      />
      <Amount words={words} />
      <Choice
        label="Colour"
        value={graph.colour}
        options={COLOURS}
        onChoose={(colour) => change({ colour })}
      />
      <Grouping />
      {!cross && (
        <>
          <Check
            text="Length by weight: strong pairs closer"
            checked={graph.near}
            onChange={(near) => change({ near })}
          />
          <Check
            text="Value edges between planes"
            checked={graph.values}
            onChange={(values) => change({ values })}
          />
        </>
      )}
      <Check
        text={feed ? `Feed-forward ${feed.narrow} → ${feed.wide} → ${feed.narrow}` : "Feed-forward"}
        checked={graph.feed && feed !== null}
        missing={feed ? undefined : "This recording does not say how wide its layers are"}
        onChange={(on) => change({ feed: on })}
      />
      {special > 0 && (
        <Check
          text={`Leave out ${part?.causal ? "the first token" : "special tokens"}: ${percent(special)} of weight`}
          checked={graph.words}
          onChange={(words) => change({ words })}
        />
      )}
      <p class="note graph-count">
        {`${thousands(kept)} of ${thousands(total)} edges, ${percent(mean(planes.map((plane) => plane.mass)))} of ${cross ? "" : "off-diagonal "}weight`}
      </p>
      <FateCounts planes={planes} />
    </>
  );
}

/** How many of the drawn edges pass the cut in A only, in B only, and in both. */
function FateCounts({ planes }: { readonly planes: readonly Plane[] }) {
  const fates = planes.flatMap(({ kept }) => kept.flatMap(({ fate }) => fate ?? []));
  const count = (wanted: Fate): string => thousands(fates.filter((fate) => fate === wanted).length);
  return fates.length > 0 ? (
    <p class="note graph-fates">
      {`${count("born")} born · ${count("lost")} lost · ${count("kept")} kept`}
    </p>
  ) : null;
}

const mean = (values: readonly number[]): number =>
  values.length > 0 ? values.reduce((all, value) => all + value, 0) / values.length : 0;
