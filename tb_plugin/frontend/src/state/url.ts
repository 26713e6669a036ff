// ViewState as short readable key=value pairs, and back: what all views share here, the rest in a
// file per view. Unknown or damaged values are ignored.

import type { LayerWindow, TokenWindow } from "../core/window";
import type { Pairs } from "./url_codes";
import { graphPairs, readGraph } from "./url_graph";
import { headsPairs, readHeads } from "./url_heads";
import { lensPairs, readLensPairs } from "./url_lens";
import { networkPairs, readNetwork } from "./url_network";
import { readSignals, signalsPairs } from "./url_signals";
import { INITIAL, type PinnedStep, TABS, type ViewState } from "./view_state";

/** "128~64" or, with eight tokens to a mark, "0~512~8". */
const writeTokens = ({ start, length, merge }: TokenWindow): string =>
  merge > 1 ? `${start}~${length}~${merge}` : `${start}~${length}`;

function readTokens(text: string | undefined): TokenWindow | null {
  const match = /^(\d{1,7})~(\d{1,7})(?:~(\d{1,4}))?$/.exec(text ?? "");
  const [, start, length, merge = "1"] = match ?? [];
  return match && Number(length) > 0
    ? { start: Number(start), length: Number(length), merge: Math.max(1, Number(merge)) }
    : null;
}

function readDepth(text: string | undefined): LayerWindow | null {
  const match = /^(\d{1,4})~([1-9]\d{0,3})$/.exec(text ?? "");
  return match ? { start: Number(match[1]), length: Number(match[2]) } : null;
}

/** Names joined by commas, each escaped, since a name may hold one. */
const readNames = (text: string | undefined): readonly string[] =>
  (text ?? "").split(",").flatMap((name) => {
    try {
      return name === "" ? [] : [decodeURIComponent(name)];
    } catch {
      return []; // damaged
    }
  });

function readCount(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,12}$/.test(text) ? Number(text) : null;
}

/** `b` alone means a step of the run that is shown. */
function readPinnedStep(pairs: Pairs): PinnedStep | null {
  const step = readCount(pairs.b);
  const run = pairs.brun ?? pairs.run;
  return step !== null && run !== undefined ? { run, step } : null;
}

/** The pairs that differ from a fresh tab. */
export function toPairs(state: ViewState): Pairs {
  const pairs: Record<string, string | null> = {
    view: state.tab === "network" ? null : state.tab,
    run: state.run,
    runs: state.runs.length > 0 ? state.runs.map(encodeURIComponent).join(",") : null,
    part: state.part,
    probe: state.probe === null ? null : String(state.probe),
    step: state.step === null ? null : String(state.step),
    b: state.reference === null ? null : String(state.reference.step),
    brun: state.reference?.run ?? null,
    show: state.compare === "A" ? null : state.compare,
    scale: state.scale === "fixed" ? null : state.scale,
    tokens: state.tokens ? writeTokens(state.tokens) : null,
    depth: state.depth ? `${state.depth.start}~${state.depth.length}` : null,
    special: state.hideSpecial ? "hidden" : null,
    words: state.mergeWords ? "merged" : null,
    filter: state.filter || null,
    metric: state.metric,
    curves: state.curves === "sentence" ? null : state.curves,
    y: state.reach === INITIAL.reach ? null : state.reach,
    ...headsPairs(state.heads),
    ...graphPairs(state.graph),
    ...lensPairs(state.lens),
    ...signalsPairs(state.watched),
    ...networkPairs(state),
  };
  return Object.fromEntries(
    Object.entries(pairs).filter((pair): pair is [string, string] => pair[1] !== null),
  );
}

export function fromPairs(pairs: Pairs): ViewState {
  return {
    ...INITIAL,
    tab: TABS.find(({ tab }) => tab === pairs.view)?.tab ?? "network",
    metric: pairs.metric ?? null,
    curves: pairs.curves === "splits" ? "splits" : "sentence",
    reach: pairs.y === "possible" ? "possible" : "seen",
    ...readNetwork(pairs),
    watched: readSignals(pairs),
    heads: readHeads(pairs),
    graph: readGraph(pairs),
    lens: readLensPairs(pairs),
    run: pairs.run ?? null,
    runs: readNames(pairs.runs),
    part: pairs.part ?? null,
    probe: readCount(pairs.probe),
    step: readCount(pairs.step),
    reference: readPinnedStep(pairs),
    compare: pairs.show === "B" || pairs.show === "diff" ? pairs.show : "A",
    scale: pairs.scale === "even" || pairs.scale === "layer" ? pairs.scale : "fixed",
    tokens: readTokens(pairs.tokens),
    depth: readDepth(pairs.depth),
    hideSpecial: pairs.special === "hidden",
    mergeWords: pairs.words === "merged",
    filter: pairs.filter ?? "",
  };
}
