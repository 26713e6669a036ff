// B: the step that A is compared with, in the same run or in another one.
import { computed, signal } from "@preact/signals";
import type { AttentionCache } from "../api/attention_cache";
import type { DataSource } from "../api/source";
import type { Maps } from "../core/maps";
import {
  axesOf,
  nearestStep,
  type Probe,
  probesOf,
  type Run,
  type StepEntry,
  stepsOf,
  withAllHeads,
} from "../core/recording";
import { IDLE, problemOf, type Resource, readyValue } from "../core/resource";
import { tokenText } from "../scale/text";
import { follow } from "./follow";
import {
  cut,
  entry,
  grouped,
  type LoadedMaps,
  part,
  probe,
  queryOf,
  recording,
  runs,
  shown,
  view,
  type Wanted,
} from "./store";

/** The maps of B. */
export const loadedReference = signal<Resource<LoadedMaps>>(IDLE);
/** The other run that B lies in. */
export const otherRun = signal<Resource<Run>>(IDLE);

/** The shown sentence with all heads, where it was asked without some: B then, at the same step. */
export const allHeads = computed<Probe | null>(() =>
  recording.value ? withAllHeads(recording.value, probe.value) : null,
);

/** The name of the other run B was pinned in; null while B lies in the run that is shown. */
export const otherRunName = computed<string | null>(() => {
  const pinned = allHeads.value ? null : view.value.reference;
  return pinned && recording.value && pinned.run !== recording.value.name ? pinned.run : null;
});

/** The run B lies in. */
export const referenceRun = computed<Run | null>(() => {
  if (otherRunName.value === null) {
    return recording.value;
  }
  const other = readyValue(otherRun.value);
  return other?.name === otherRunName.value ? other : null;
});

/** B: the pinned step, else the first one whose maps were kept; A's own step beside muted heads. */
export const referenceEntry = computed<StepEntry | null>(() => {
  if (allHeads.value) {
    return entry.value;
  }
  const pinned = view.value.reference;
  const run = referenceRun.value;
  const sentence = run === recording.value ? probe.value : null;
  const kept = (run ? stepsOf(run, sentence) : []).filter(({ maps }) => maps);
  return kept[pinned === null ? 0 : nearestStep(kept, pinned.step)] ?? null;
});

/** The maps B asks for: the same part and the same probe in B's run; all heads beside muted ones. */
export const wantedReference = computed<Wanted | null>(() => {
  const run = referenceRun.value;
  const entry = referenceEntry.value;
  const model = run?.parts.find(({ name }) => name === part.value?.name);
  const index = (allHeads.value ?? probe.value)?.index;
  const sentence = run && probesOf(run).find((known) => known.index === index);
  return run && entry && model && sentence && cut.value
    ? { run, entry, part: model, probe: sentence, cut: cut.value }
    : null;
});

const words = ({ part: model, probe: sentence }: Wanted): string =>
  JSON.stringify(Object.values(axesOf(model, sentence)).map(({ text }) => text));

const sizes = ({ part: model }: Wanted): string =>
  JSON.stringify(model.layers.map(({ heads }) => heads));

/** "3 layers of 6 heads". */
function sizesText({ part: model }: Wanted): string {
  const heads = [...new Set(model.layers.map((layer) => layer.heads))];
  return `${model.layers.length} layers of ${heads.join(" or ")} heads`;
}

const SENTENCE_LENGTH = 60;

const excerpt = ({ part: model, probe: sentence }: Wanted): string => {
  const text = axesOf(model, sentence).query.text.map(tokenText).join(" ");
  return text.length > SENTENCE_LENGTH ? `${text.slice(0, SENTENCE_LENGTH)}…` : text;
};

/** B is on its way: nothing to tell anybody. */
export const NOT_YET = "The maps of B are not here yet";

/** Why B cannot be shown beside A; null when it can. */
export const referenceProblem = computed<string | null>(() => {
  const [a, b, asked] = [shown.value, readyValue(loadedReference.value), wantedReference.value];
  const failed = problemOf(otherRun.value) ?? problemOf(loadedReference.value);
  if (failed !== null) {
    return `B could not be read: ${failed}`;
  }
  if (otherRunName.value !== null && referenceRun.value && !asked) {
    const there = (referenceRun.value.parts ?? []).map(({ name }) => name).join(", ");
    return `“${otherRunName.value}” has no part “${part.value?.name}” with this probe; it has: ${there}`;
  }
  const moved = JSON.stringify(a?.cut) !== JSON.stringify(b?.cut);
  const partner = a && (withAllHeads(a.run, a.probe) ?? a.probe);
  if (!a || !b || b.part.name !== a.part.name || b.probe.index !== partner?.index || moved) {
    return NOT_YET;
  }
  if (words(a) !== words(b)) {
    return `“${b.run.name}” has another sentence as this probe: “${excerpt(b)}” there, “${excerpt(a)}” here`;
  }
  return sizes(a) === sizes(b)
    ? null
    : `“${b.run.name}” has other layers or heads: ${sizesText(b)} there, ${sizesText(a)} here`;
});

/** Why B will not be shown, once that is known; null while it may. */
export const incomparable = computed<string | null>(() =>
  referenceProblem.value === NOT_YET ? null : referenceProblem.value,
);

/** B's maps, when they can be shown beside A's. */
export const reference = computed<LoadedMaps | null>(() =>
  referenceProblem.value === null ? readyValue(loadedReference.value) : null,
);

/** B's maps over the marks on screen. */
export const referenceMaps = computed<Maps | null>(() => grouped(reference.value));

const otherRunQuestion = computed<string | null>(() => {
  const run = otherRunName.value;
  const version = runs.value.find(({ name }) => name === run)?.version;
  return run !== null && version !== undefined ? JSON.stringify({ run, version }) : null;
});

const mapsQuestion = computed<string | null>(() => {
  const asked = wantedReference.value;
  return asked && JSON.stringify({ ...queryOf(asked), session: asked.run.version });
});

/** Ask for B whenever it changes; A is not concerned if it cannot be had. */
export function startReference(source: DataSource, cache: AttentionCache): () => void {
  const stops = [
    follow(otherRunQuestion, otherRun, ({ run }: { run: string }, signal) =>
      source.run(run, signal),
    ),
    follow(mapsQuestion, loadedReference, async (_: unknown, signal) => {
      const asked = wantedReference.peek();
      if (!asked) {
        throw new Error("B is not known");
      }
      return { ...asked, maps: await cache.load(queryOf(asked), signal) };
    }),
  ];
  return () => {
    for (const stop of stops) {
      stop();
    }
  };
}
