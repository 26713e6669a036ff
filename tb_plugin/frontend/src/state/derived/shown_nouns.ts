import { computed } from "@preact/signals";
import { nounsOf } from "../../scale/nouns";
import { probe } from "../store";

/** What the shown probe and its tokens are called. */
export const nouns = computed(() => nounsOf(probe.value?.source));
