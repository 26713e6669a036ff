// How the Network view is set, as short pairs, and back.
import type { HeldHead, LinkCut, PinnedToken } from "../core/selection";
import { type HeadSort, QUICK_SORTS } from "../layout/network/head_sort";
import { DEFAULT_CUT, type LayerMode, type LayerView } from "../layout/network/layer_view";
import { FIRST_PILE_DISTANCE } from "../layout/network/pile_places";
import { decode, type Pairs, type Said } from "./url_codes";
import type { ViewState } from "./view_state";

const MODE_CODES: Readonly<Record<LayerMode, string>> = { sankey: "s", maps: "m", piles: "p" };
/** Stands for a metric without a letter of its own; its name follows. */
const NAMED_SORT = "n";
const CUT_CODES: Readonly<Record<LinkCut["kind"], string>> = {
  even: "e",
  value: "v",
  mass: "m",
  count: "k",
};

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

type NetworkState = Pick<ViewState, "layers" | "fit" | "lock" | "pin">;

export const networkPairs = ({ layers, fit, lock, pin }: NetworkState): Said => ({
  layers: layers.size > 0 ? [...layers].map(writeLayer).join(",") : null,
  rows: fit ? "fit" : null,
  head: lock ? writeLock(lock) : null,
  token: pin ? writePin(pin) : null,
});

export const readNetwork = ({ layers = "", rows, head, token }: Pairs): NetworkState => ({
  layers: new Map(
    layers.split(",").flatMap((text) => {
      const layer = readLayer(text);
      return layer ? [layer] : [];
    }),
  ),
  fit: rows === "fit",
  lock: readLock(head),
  pin: readPin(token),
});
