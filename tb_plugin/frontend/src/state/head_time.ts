// One head over all steps: what the Heads view asks for, and what is here.
import { computed, signal } from "@preact/signals";
import type { DataSource, HeadQuery, JointQuery, OverTimeQuery } from "../api/source";
import type { Joint, OverTime } from "../core/over_time";
import type { HeadId } from "../core/recording";
import { IDLE, type Resource } from "../core/resource";
import { follow } from "./follow";
import { entry, part, probe, recording, view } from "./store";

/** Like maps, the answer before stays until the next is here. */
export const overTime = signal<Resource<OverTime>>(IDLE);
export const joint = signal<Resource<Joint>>(IDLE);

/** The head in question: the held one, else the first. */
export const chosenHead = computed<HeadId>(() => {
  const held = view.value.lock;
  const heads = held ? (part.value?.layers[held.layer]?.heads ?? 0) : 0;
  return held && held.head < heads ? { layer: held.layer, head: held.head } : { layer: 0, head: 0 };
});

const aboutHead = computed<(HeadQuery & { readonly version: string }) | null>(() =>
  view.value.tab === "heads" && recording.value && part.value
    ? {
        run: recording.value.name,
        version: recording.value.version,
        part: part.value.name,
        ...chosenHead.value,
      }
    : null,
);

/** With more layers than these the pictures of all heads need the room of the piled steps. */
const LAYERS_BESIDE = 8;

/** Whether the piled steps of a head are shown: of a held one always, else where there is room. */
export const stripShown = computed(() => {
  const { panel } = view.value.heads;
  const roomy = (part.value?.layers.length ?? 0) <= LAYERS_BESIDE;
  const small = panel === "curves" || panel === "maps";
  return view.value.lock !== null || panel === "joint" || (small && roomy);
});

// One text per question: the version is in it because every new step changes both answers.
const overTimeQuestion = computed(() =>
  aboutHead.value && probe.value && stripShown.value
    ? JSON.stringify({
        ...aboutHead.value,
        probe: probe.value.index,
        cut: view.value.heads.cut,
      })
    : null,
);
const jointQuestion = computed(() =>
  aboutHead.value && entry.value && view.value.heads.panel === "joint"
    ? JSON.stringify({ ...aboutHead.value, step: entry.value.step })
    : null,
);

/** Ask whenever a question changes. */
export function startHeadTime(source: DataSource): () => void {
  const stops = [
    follow(overTimeQuestion, overTime, (query: OverTimeQuery, signal) =>
      source.overTime(query, signal),
    ),
    follow(jointQuestion, joint, (query: JointQuery, signal) => source.joint(query, signal)),
  ];
  return () => {
    for (const stop of stops) {
      stop();
    }
  };
}
