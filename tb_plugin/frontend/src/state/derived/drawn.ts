// Which step is on screen: views that draw in slices lag a few frames behind the state.
import { computed, signal } from "@preact/signals";
import { offline } from "../connection";
import { awaitsRun, request, shown, view } from "../store";

/** The step that all layers in sight of the network view show. */
export const drawnStep = signal<number | null>(null);

const shownStep = computed(() => shown.value?.entry.step ?? null);

/** The step that the chosen view has drawn; undefined before the first. */
export const stepOnScreen = computed<number | undefined>(
  () => (view.value.tab === "network" ? drawnStep.value : shownStep.value) ?? undefined,
);

/** Whether the chosen step is still being fetched or drawn, or nobody is there to fetch it from. */
export const isOnItsWay = computed<boolean>(
  () =>
    awaitsRun.value ||
    request.value.kind === "loading" ||
    (request.value.kind === "failed" && offline.value) ||
    (request.value.kind === "ready" && stepOnScreen.value !== (shownStep.value ?? undefined)),
);
