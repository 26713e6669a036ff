// The graph view's settings as one short value: "mean.sum.uniform.1.5.wv" and its camera and node.

import { PITCH_LIMIT, ZOOM_LIMITS } from "../layout/graph/camera";
import type { EdgeColour } from "../layout/graph/edge_style";
import type { Prune } from "../layout/graph/graph_prune";
import { NORM_RANGE, type Norm, type PairRule } from "../layout/graph/token_graph";
import { type GraphState, INITIAL_GRAPH } from "./view_state";

type GraphPairs = Readonly<Record<"graph" | "node" | "camera", string | null>>;

const PAIRS: readonly PairRule[] = ["sum", "mean", "max", "directed"];

const PRUNES: readonly Prune[] = ["auto", "level", "count", "mass"];
const COLOURS: readonly EdgeColour[] = ["weight", "head", "opacity"];

const isNorm = (text: string): text is Norm => Object.hasOwn(NORM_RANGE, text);

const short = (value: number): string => String(Number(value.toFixed(3)));

function settings(state: GraphState): string {
  const { head, pair, norm, least, words, values, near, feed } = state;
  const flags = `${words ? "w" : ""}${values ? "v" : ""}${near ? "n" : ""}${feed ? "f" : ""}`;
  const further = [state.prune, state.colour, state.group ?? "", state.cls ?? ""];
  return [head, pair, norm, short(least), flags, ...further].join("~");
}

const camera = ({ camera: { yaw, pitch, zoom, x, y } }: GraphState): string =>
  [yaw, pitch, zoom, ...(x === 0 && y === 0 ? [] : [x, y])].map(short).join("~");

const node = ({ node: { layer, token } }: GraphState): string => `${layer}.${token}`;

/** What differs from a fresh graph. */
export function graphPairs(state: GraphState): GraphPairs {
  const unless = (write: (graph: GraphState) => string): string | null =>
    write(state) === write(INITIAL_GRAPH) ? null : write(state);
  return { graph: unless(settings), node: unless(node), camera: unless(camera) };
}

export function readGraph(pairs: Readonly<Record<string, string>>): GraphState {
  return {
    ...INITIAL_GRAPH,
    ...readSettings(pairs.graph),
    ...readNode(pairs.node),
    ...readCamera(pairs.camera),
  };
}

function readSettings(text: string | undefined): Partial<GraphState> {
  const parts = (text ?? "").split("~");
  const [head = "", pairText = "", norm = "", least = "", flags = ""] = parts;
  const [prune, colour, group, cls] = parts.slice(5);
  const pair = PAIRS.find((known) => known === pairText);
  const known = head === "mean" || head === "max" || /^\d{1,4}$/.test(head);
  if (!known || !pair || !isNorm(norm) || !/^\d+(\.\d+)?$/.test(least)) {
    return {};
  }
  return {
    head: head === "mean" || head === "max" ? head : Number(head),
    pair,
    norm,
    least: Number(least),
    words: flags.includes("w"),
    values: flags.includes("v"),
    near: flags.includes("n"),
    feed: flags.includes("f"),
    prune: PRUNES.find((known) => known === prune) ?? "level",
    colour: COLOURS.find((known) => known === colour) ?? "weight",
    group: readSmall(group),
    cls: readSmall(cls),
  };
}

const readSmall = (text: string | undefined): number | null =>
  /^\d{1,4}$/.test(text ?? "") ? Number(text) : null;

function readNode(text: string | undefined): Partial<GraphState> {
  const match = /^(\d{1,4})\.(\d{1,6})$/.exec(text ?? "");
  return match ? { node: { layer: Number(match[1]), token: Number(match[2]) } } : {};
}

function readCamera(text: string | undefined): Partial<GraphState> {
  const numbers = (text ?? "").split("~").map(Number);
  const [yaw = 0, pitch = 0, zoom = 1, x = 0, y = 0] = numbers;
  if (
    text === undefined ||
    (numbers.length !== 3 && numbers.length !== 5) ||
    !numbers.every(Number.isFinite)
  ) {
    return {};
  }
  return {
    camera: {
      yaw,
      pitch: Math.max(-PITCH_LIMIT, Math.min(PITCH_LIMIT, pitch)),
      zoom: Math.max(ZOOM_LIMITS[0], Math.min(ZOOM_LIMITS[1], zoom)),
      x,
      y,
    },
  };
}
