// ViewState as short readable key=value pairs, and back. Unknown or damaged values are ignored.

import type { LensTable } from "../core/lens";
import type { HeldHead, LinkCut, PinnedToken } from "../core/selection";
import type { LayerWindow, TokenWindow } from "../core/window";
import { type HeadSort, QUICK_SORTS } from "../layout/network/head_sort";
import { DEFAULT_CUT, type LayerMode, type LayerView } from "../layout/network/layer_view";
import { FIRST_PILE_DISTANCE } from "../layout/network/piles";
import { graphPairs, readGraph } from "./url_graph";
import { headsPairs, readHeads } from "./url_heads";
import { INITIAL, type LensState, type PinnedStep, type Tab, type ViewState } from "./view_state";

export type Pairs = Readonly<Record<string, string>>;

const TABS: readonly Tab[] = ["network", "heads", "graph", "signals"];

const MODE_CODES: Readonly<Record<LayerMode, string>> = { sankey: "s", maps: "m", piles: "p" };
/** Stands for a metric without a letter of its own; its name follows. */
const NAMED_SORT = "n";
const CUT_CODES: Readonly<Record<LinkCut["kind"], string>> = {
  even: "e",
  value: "v",
  mass: "m",
  count: "k",
};

function decode<Name extends string>(
  codes: Readonly<Record<Name, string>>,
  code: string,
): Name | null {
  const found = (Object.entries(codes) as [Name, string][]).find(([, known]) => known === code);
  return found?.[0] ?? null;
}

const short = (amount: number): number => Number(amount.toFixed(4));

function readSort(code: string, name: string | undefined): HeadSort | null {
  return code === NAMED_SORT
    ? (name ?? null)
    : (QUICK_SORTS.find((known) => known.code === code)?.sort ?? null);
}

/**
 * "2:shv0.1d0.3": layer 2 (from 0) as Sankey, heads by number, links from 0.1 on, piles to 0.3;
 * "2:mn~sink": as maps, heads by the metric `sink`, links by the usual rule.
 */
function writeLayer([layer, view]: readonly [number, LayerView]): string {
  const { mode, cut, sort, pile } = view;
  const usual = cut.kind === DEFAULT_CUT.kind && cut.amount === DEFAULT_CUT.amount;
  const links = usual ? "" : `${CUT_CODES[cut.kind]}${short(cut.amount)}`;
  const amounts = `${links}${pile === FIRST_PILE_DISTANCE ? "" : `d${short(pile)}`}`;
  const quick = QUICK_SORTS.find((known) => known.sort === sort)?.code;
  const name = quick === undefined ? `~${sort}` : "";
  return `${layer}:${MODE_CODES[mode]}${quick ?? NAMED_SORT}${amounts}${name}`;
}

function readLayer(text: string): [number, LayerView] | null {
  const match =
    /^(\d{1,4}):([a-z])([a-z])(?:([vmke])(\d+(?:\.\d+)?))?(?:d(\d+(?:\.\d+)?))?(?:~([a-z]\w*))?$/.exec(
      text,
    );
  const [, layer = "", modeCode = "", sortCode = "", cutCode, amount = "", pile, name] =
    match ?? [];
  const mode = decode(MODE_CODES, modeCode);
  const sort = readSort(sortCode, name);
  const kind = cutCode === undefined ? null : decode(CUT_CODES, cutCode);
  return mode && sort
    ? [
        Number(layer),
        {
          mode,
          sort,
          cut: kind ? { kind, amount: Number(amount) } : DEFAULT_CUT,
          pile: pile === undefined ? FIRST_PILE_DISTANCE : Number(pile),
        },
      ]
    : null;
}

const writeLock = ({ layer, head, key }: HeldHead): string =>
  key === null ? `${layer}.${head}` : `${layer}.${head}.${key}`;

function readLock(text: string | undefined): HeldHead | null {
  const match = /^(\d{1,4})\.(\d{1,4})(?:\.(\d{1,6}))?$/.exec(text ?? "");
  if (!match) {
    return null;
  }
  const [, layer, head, key] = match;
  return { layer: Number(layer), head: Number(head), key: key === undefined ? null : Number(key) };
}

const writePin = ({ axis, index }: PinnedToken): string =>
  `${axis === "query" ? "q" : "k"}${index}`;

function readPin(text: string | undefined): PinnedToken | null {
  const match = /^([qk])(\d{1,6})$/.exec(text ?? "");
  return match ? { axis: match[1] === "q" ? "query" : "key", index: Number(match[2]) } : null;
}

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

const TABLE_CODES: Readonly<Record<LensTable, string>> = { products: "r", centred: "c", mass: "a" };

/** "2.0~16r"; with a chosen cell "2.0~16r~3.7", a value cluster "~v5", words as a cloud "~c". */
function writeLens({ layer, head, clusters, table, cell, value, words }: LensState): string {
  const chosen = cell ? `~${cell.query}.${cell.key}` : "";
  const carried = value === null ? "" : `~v${value}`;
  const form = words === "cloud" ? "~c" : "";
  return `${layer}.${head}~${clusters}${TABLE_CODES[table]}${chosen}${carried}${form}`;
}

const LENS =
  /^(\d{1,4})\.(\d{1,4})~(\d{1,2})([a-z])(?:~(\d{1,2})\.(\d{1,2}))?(?:~v(\d{1,2}))?(~c)?$/;

function readLens(text: string | undefined): LensState | null {
  const [, layer, head, clusters, code = "", query, key, value, cloud] =
    LENS.exec(text ?? "") ?? [];
  const table = decode(TABLE_CODES, code);
  return table
    ? {
        layer: Number(layer),
        head: Number(head),
        clusters: Math.max(2, Math.min(64, Number(clusters))),
        table,
        cell: query === undefined ? null : { query: Number(query), key: Number(key) },
        value: value === undefined ? null : Number(value),
        words: cloud ? "cloud" : "bars",
      }
    : null;
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

/** Names of metrics; they are Python identifiers. */
function readWatched(text: string | undefined): readonly string[] | null {
  return text !== undefined && /^\w+(~\w+){0,5}$/.test(text) ? text.split("~") : null;
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
    layers: state.layers.size > 0 ? [...state.layers].map(writeLayer).join(",") : null,
    tokens: state.tokens ? writeTokens(state.tokens) : null,
    depth: state.depth ? `${state.depth.start}~${state.depth.length}` : null,
    rows: state.fit ? "fit" : null,
    special: state.hideSpecial ? "hidden" : null,
    words: state.mergeWords ? "merged" : null,
    filter: state.filter || null,
    metric: state.metric,
    curves: state.curves === "sentence" ? null : state.curves,
    y: state.reach === INITIAL.reach ? null : state.reach,
    watch: state.watched?.join("~") ?? null,
    ...headsPairs(state.heads),
    ...graphPairs(state.graph),
    lens: state.lens ? writeLens(state.lens) : null,
    head: state.lock ? writeLock(state.lock) : null,
    token: state.pin ? writePin(state.pin) : null,
  };
  return Object.fromEntries(
    Object.entries(pairs).filter((pair): pair is [string, string] => pair[1] !== null),
  );
}

export function fromPairs(pairs: Pairs): ViewState {
  const layers = (pairs.layers ?? "").split(",").flatMap((text) => {
    const layer = readLayer(text);
    return layer ? [layer] : [];
  });
  return {
    ...INITIAL,
    tab: TABS.find((tab) => tab === pairs.view) ?? "network",
    metric: pairs.metric ?? null,
    curves: pairs.curves === "splits" ? "splits" : "sentence",
    reach: pairs.y === "possible" ? "possible" : "seen",
    watched: readWatched(pairs.watch),
    heads: readHeads(pairs),
    graph: readGraph(pairs),
    lens: readLens(pairs.lens),
    run: pairs.run ?? null,
    runs: readNames(pairs.runs),
    part: pairs.part ?? null,
    probe: readCount(pairs.probe),
    step: readCount(pairs.step),
    reference: readPinnedStep(pairs),
    compare: pairs.show === "B" || pairs.show === "diff" ? pairs.show : "A",
    scale: pairs.scale === "even" || pairs.scale === "layer" ? pairs.scale : "fixed",
    layers: new Map(layers),
    tokens: readTokens(pairs.tokens),
    depth: readDepth(pairs.depth),
    fit: pairs.rows === "fit",
    hideSpecial: pairs.special === "hidden",
    mergeWords: pairs.words === "merged",
    filter: pairs.filter ?? "",
    lock: readLock(pairs.head),
    pin: readPin(pairs.token),
  };
}
