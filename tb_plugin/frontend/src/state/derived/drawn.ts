// What is on screen: views that draw in slices lag a few frames behind the state.
import { computed, signal } from "@preact/signals";
import { offline } from "../connection";
import { awaitsRun, type LoadedMaps, request, shown, view } from "../store";

/** Whose maps are drawn. */
export interface Drawn {
  readonly run: string;
  readonly part: string;
  readonly probe: number;
  readonly step: number;
}

export const drawnOf = (maps: LoadedMaps | null): Drawn | null =>
  maps && {
    run: maps.run.name,
    part: maps.part.name,
    probe: maps.probe.index,
    step: maps.entry.step,
  };

/** What all layers in sight of the network view show. */
export const drawnNetwork = signal<Drawn | null>(null);

const shownMaps = computed(() => drawnOf(shown.value));

/** What the chosen view has drawn; null before the first, and while there is nothing to draw. */
export const onScreen = computed<Drawn | null>(
  () => shownMaps.value && (view.value.tab === "network" ? drawnNetwork.value : shownMaps.value),
);

/** Whether the chosen step is still being fetched or drawn, or nobody is there to fetch it from. */
export const isOnItsWay = computed<boolean>(
  () =>
    awaitsRun.value ||
    request.value.kind === "loading" ||
    (request.value.kind === "failed" && offline.value) ||
    (request.value.kind === "ready" && onScreen.value?.step !== shownMaps.value?.step),
);
