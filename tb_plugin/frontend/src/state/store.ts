// The one typed state object and what follows from it. Only the shell writes to it.
import { computed, signal } from "@preact/signals";
import type { AttentionQuery } from "../api/source";
import { type Axis, buildAxis, hiddenShare, regroup } from "../core/axis";
import { cutOf, isWhole, type MapCut } from "../core/cut";
import { firstProbe } from "../core/first_probe";
import type { Maps } from "../core/maps";
import {
  axesOf,
  bestValidation,
  type MetricSpec,
  nearestStep,
  type Part,
  type Probe,
  probesOf,
  type Run,
  type RunIndex,
  type RunSummary,
  type StepEntry,
  sameTokens,
  stepsOf,
} from "../core/recording";
import { IDLE, type Resource, readyValue } from "../core/resource";
import { groupSize } from "../layout/graph/layer_groups";
import { crossFilter } from "./cross_filter";
import { INITIAL, layerView, type ViewState } from "./view_state";

/** What a request for maps is about. */
export interface Wanted {
  readonly run: Run;
  readonly part: Part;
  readonly probe: Probe;
  readonly entry: StepEntry;
  /** The stretch of text and the layers that are fetched. */
  readonly cut: MapCut;
}

/** Maps and what they are of: until the next ones are here, these stay on screen. */
export interface LoadedMaps extends Wanted {
  readonly maps: Maps;
}

export const view = signal<ViewState>(INITIAL);
export const index = signal<Resource<RunIndex>>(IDLE);
export const run = signal<Resource<Run>>(IDLE);
/** The maps last loaded; they stay on screen until the next ones are here. */
export const shown = signal<LoadedMaps | null>(null);
/** How the request for the chosen step's maps is doing. */
export const request = signal<Resource<null>>(IDLE);
/** The newest step, while the user looks at an older one and has not been told; else null. */
export const arrived = signal<StepEntry | null>(null);

const cutText = computed(() => {
  const { tokens, depth, tab } = view.value;
  return part.value && probe.value
    ? JSON.stringify(
        cutOf(part.value, probe.value, { tokens, depth, someLayers: tab === "network" }),
      )
    : null;
});

/** The rectangle asked for; the same object while only the step changes. */
export const cut = computed<MapCut | null>(() =>
  cutText.value === null ? null : (JSON.parse(cutText.value) as MapCut),
);

export const select = (patch: Partial<ViewState>): void => {
  const before = view.peek();
  const [model, sentence] = [part.peek(), probe.peek()];
  view.value = crossFilter(before, patch, {
    cross: model !== null && sentence !== null && !sameTokens(model, sentence),
    group: groupSize(before.graph.group, model?.layers.length ?? 1),
  });
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

/** Whether the run that is here is no longer the chosen one. */
export const awaitsRun = computed<boolean>(
  () =>
    recording.value !== null && runName.value !== null && recording.value.name !== runName.value,
);

export const steps = computed<readonly StepEntry[]>(() =>
  recording.value ? stepsOf(recording.value, probe.value) : [],
);

export const part = computed<Part | null>(() => {
  const parts = recording.value?.parts ?? [];
  return parts.find(({ name }) => name === view.value.part) ?? parts[0] ?? null;
});

export const probe = computed<Probe | null>(() => {
  const now = recording.value;
  const found = now && probesOf(now).find(({ index: place }) => place === view.value.probe);
  return found ?? firstProbe(now?.probes ?? []);
});

/** Position of A among the recorded steps: the chosen step, else the nearest, else the newest. */
export const stepIndex = computed<number>(() => {
  const { step } = view.value;
  return step === null ? steps.value.length - 1 : nearestStep(steps.value, step);
});

export const entry = computed<StepEntry | null>(() => steps.value[stepIndex.value] ?? null);

/** The metric of the life lines: the chosen one, else the recording's first. */
export const metric = computed<MetricSpec | null>(() => {
  const specs = recording.value?.metrics ?? [];
  return specs.find(({ name }) => name === view.value.metric) ?? specs[0] ?? null;
});

export const best = computed<StepEntry | null>(() =>
  recording.value ? bestValidation(recording.value) : null,
);

// Values of their own, so that the axes stay the same objects while only the step changes.
const hideSpecial = computed(() => view.value.hideSpecial);
const mergeWords = computed(() => view.value.mergeWords);
const shownPart = computed(() => shown.value?.part ?? null);
const shownProbe = computed(() => shown.value?.probe ?? null);
const shownCut = computed(() => shown.value?.cut ?? null);

/** The marks along both axes of what is shown. */
/** Rows and columns of what is shown are the same tokens. */
export const alike = computed<boolean>(
  () =>
    shownPart.value !== null &&
    shownProbe.value !== null &&
    sameTokens(shownPart.value, shownProbe.value),
);

export const axes = computed<{ query: Axis; key: Axis } | null>(() => {
  const within = shownCut.value;
  if (!shownPart.value || !shownProbe.value || !within) {
    return null;
  }
  const tokens = axesOf(shownPart.value, shownProbe.value);
  const { merge } = within;
  const options = { hideSpecial: hideSpecial.value, mergeWords: mergeWords.value, merge };
  return {
    query: buildAxis(tokens.query, { ...options, range: within.query }),
    key: buildAxis(tokens.key, { ...options, range: within.key }),
  };
});

/** How much there is to go through: layers of the part, marks of the key axis. */
export const extent = computed(() => ({
  layers: shownPart.value?.layers.length ?? 0,
  keys: axes.value?.key.length ?? 0,
}));

const chosenLayers = computed(() => view.value.layers);

export const layerViews = computed(() => {
  const layers = chosenLayers.value;
  return Array.from({ length: extent.value.layers }, (_, layer) => layerView({ layers }, layer));
});

let asked: Wanted | null = null;

/**
 * The maps A asks for; null while the run is unknown or the step's maps were dropped. Until another
 * run is here they stay what they were: its steps and sentences are not known yet.
 */
export const wanted = computed<Wanted | null>(() => {
  if (awaitsRun.value) {
    return asked;
  }
  asked =
    recording.value && part.value && probe.value && cut.value && entry.value?.maps
      ? {
          run: recording.value,
          part: part.value,
          probe: probe.value,
          entry: entry.value,
          cut: cut.value,
        }
      : null;
  return asked;
});

/** Loaded maps over the marks on screen. */
export const grouped = (loaded: LoadedMaps | null): Maps | null =>
  loaded && axes.value ? regroup(loaded.maps, axes.value.query, axes.value.key) : null;

/** Are the maps of every layer that the view needs here? Not at once after another view was chosen. */
const layersAreHere = computed(() => {
  const [here, needed] = [shownCut.value?.layers, cut.value?.layers];
  return here && needed ? here.start <= needed.start && here.stop >= needed.stop : false;
});

/** A's maps over the marks on screen. */
export const maps = computed<Maps | null>(() =>
  layersAreHere.value ? grouped(shown.value) : null,
);

/** Share of attention that the hidden special tokens receive; null while they are shown. */
export const hidden = computed<number | null>(() => {
  const [now, marks] = [shown.value, axes.value];
  if (!hideSpecial.value || !now || !marks || !maps.value) {
    return null;
  }
  // What lies outside of the window is not hidden by this choice.
  const tokens = axesOf(now.part, now.probe).key;
  const options = { hideSpecial: false, mergeWords: false, merge: now.cut.merge };
  const everyKey = buildAxis(tokens, { ...options, range: now.cut.key });
  const outside = hiddenShare(regroup(now.maps, marks.query, everyKey));
  return Math.max(0, hiddenShare(maps.value) - outside);
});

/** The request for these maps. */
export const queryOf = ({
  run,
  part: model,
  probe: sentence,
  entry: at,
  cut: within,
}: Wanted): AttentionQuery => ({
  run: run.name,
  step: at.step,
  version: at.v,
  part: model.name,
  probe: sentence.index,
  cut: isWhole(within, model, sentence) ? null : within,
});
