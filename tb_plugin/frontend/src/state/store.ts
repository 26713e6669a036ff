// The one typed state object and what follows from it. Only the shell writes to it.
import { computed, signal } from "@preact/signals";
import type { AttentionQuery } from "../api/source";
import { type Axis, buildAxis, hiddenShare, regroup } from "../core/axis";
import type { Maps, Series } from "../core/maps";
import {
  axesOf,
  bestValidation,
  nearestStep,
  type Part,
  type Probe,
  type Run,
  type RunIndex,
  type RunSummary,
  type StepEntry,
} from "../core/recording";
import { IDLE, type Resource, readyValue } from "../core/resource";
import { type Extent, INITIAL, layerView, type ViewState } from "./view_state";

/** Maps and the step they belong to: while the next step loads, the last one stays on screen. */
export interface LoadedMaps {
  readonly maps: Maps;
  readonly entry: StepEntry;
  readonly part: string;
  readonly probe: number;
  readonly run: string;
}

export const view = signal<ViewState>(INITIAL);
export const index = signal<Resource<RunIndex>>(IDLE);
export const run = signal<Resource<Run>>(IDLE);
/** The maps last loaded; they stay on screen until the next ones are here. */
export const attention = signal<LoadedMaps | null>(null);
/** How the request for the chosen step's maps is doing. */
export const request = signal<Resource<null>>(IDLE);
export const series = signal<Resource<Series>>(IDLE);
/** The newest step, while the user looks at an older one and has not been told; else null. */
export const arrived = signal<StepEntry | null>(null);

/** Counts up when the user asks to try again. */
export const retries = signal(0);

export const select = (patch: Partial<ViewState>): void => {
  view.value = { ...view.peek(), ...patch };
};

export const runs = computed<readonly RunSummary[]>(() => readyValue(index.value)?.runs ?? []);

/** The run shown: the chosen one, else the first that can be read. */
export const runName = computed<string | null>(() => {
  const chosen = view.value.run;
  const known = runs.value;
  if (chosen !== null && known.some(({ name }) => name === chosen)) {
    return chosen;
  }
  return (known.find(({ state, steps }) => state === "ok" && steps > 0) ?? known[0])?.name ?? null;
});

export const recording = computed<Run | null>(() => readyValue(run.value));

export const steps = computed<readonly StepEntry[]>(() => recording.value?.steps ?? []);

export const part = computed<Part | null>(() => {
  const parts = recording.value?.parts ?? [];
  return parts.find(({ name }) => name === view.value.part) ?? parts[0] ?? null;
});

export const probe = computed<Probe | null>(() => {
  const probes = recording.value?.probes ?? [];
  return probes.find(({ index: position }) => position === view.value.probe) ?? probes[0] ?? null;
});

/** Position of A among the recorded steps: the chosen step, else the nearest, else the newest. */
export const stepIndex = computed<number>(() => {
  const { step } = view.value;
  return step === null ? steps.value.length - 1 : nearestStep(steps.value, step);
});

export const entry = computed<StepEntry | null>(() => steps.value[stepIndex.value] ?? null);

export const best = computed<StepEntry | null>(() => bestValidation(steps.value));

// A value of its own, so that the axes stay the same objects while only the step changes.
const hideSpecial = computed(() => view.value.hideSpecial);

/** The marks along both axes. */
export const axes = computed<{ query: Axis; key: Axis } | null>(() => {
  if (!part.value || !probe.value) {
    return null;
  }
  const tokens = axesOf(part.value, probe.value);
  const options = { hideSpecial: hideSpecial.value, mergeWords: false };
  return { query: buildAxis(tokens.query, options), key: buildAxis(tokens.key, options) };
});

export const extent = computed<Extent>(() => ({
  layers: part.value?.layers.length ?? 0,
  keys: axes.value?.key.length ?? 0,
}));

export const layerViews = computed(() =>
  Array.from({ length: extent.value.layers }, (_, layer) =>
    layerView(view.value, layer, extent.value.keys),
  ),
);

/** The maps the state asks for; null while the run is unknown or the step's maps were thinned. */
export const wanted = computed<{ query: AttentionQuery; entry: StepEntry } | null>(() => {
  if (!recording.value || !part.value || !probe.value || !entry.value?.maps) {
    return null;
  }
  const query = {
    run: recording.value.name,
    step: entry.value.step,
    version: entry.value.v,
    part: part.value.name,
    probe: probe.value.index,
  };
  return { query, entry: entry.value };
});

/** The last maps that belong to the chosen run, part and probe, whatever their step. */
export const shown = computed<LoadedMaps | null>(() => {
  const value = attention.value;
  const fits =
    value?.run === recording.value?.name &&
    value?.part === part.value?.name &&
    value?.probe === probe.value?.index;
  return fits ? value : null;
});

export const maps = computed<Maps | null>(() =>
  shown.value && axes.value ? regroup(shown.value.maps, axes.value.query, axes.value.key) : null,
);

/** Share of attention that the hidden special tokens receive; null while they are shown. */
export const hidden = computed<number | null>(() =>
  view.value.hideSpecial && maps.value ? hiddenShare(maps.value) : null,
);
