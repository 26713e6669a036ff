// Rings of tokens in the 3-D graph: one per plane; two per plane where a source and a target meet.
import type { Axis } from "../../core/axis";
import type { Edge } from "./token_graph";

/** Which side of a plane's maps the tokens of a ring are. */
export type Side = "query" | "key";

export interface Sentence {
  readonly query: Axis;
  readonly key: Axis;
  /** Rows and columns are other tokens: encoder–decoder attention, queries beside further keys. */
  readonly cross: boolean;
  /** What the rings of either side are called: keys, queries. */
  readonly sides?: readonly [string, string];
  /** No query sees a key after itself. */
  readonly causal: boolean;
}

export const ringCount = (planes: number, { cross }: Sentence): number =>
  cross ? 2 * planes : planes;

export const planeOf = (ring: number, { cross }: Sentence): number =>
  cross ? Math.floor(ring / 2) : ring;

/** Source rings come first, since attention brings from them to the target. */
export const sideOf = (ring: number, { cross }: Sentence): Side =>
  cross && ring % 2 === 1 ? "query" : "key";

export const ringAxis = (ring: number, sentence: Sentence): Axis =>
  sentence[sideOf(ring, sentence)];

/** The rings of a ring's plane: those whose words are named when one of its tokens is chosen. */
export const planeRings = (ring: number, sentence: Sentence): readonly number[] =>
  sentence.cross ? [ring - (ring % 2), ring - (ring % 2) + 1] : [ring];

/** The rings that an edge of a plane joins, its asking token first. */
export const edgeRings = (plane: number, { cross }: Sentence): readonly [number, number] =>
  cross ? [2 * plane + 1, 2 * plane] : [plane, plane];

/** Whether an edge of the node's plane begins or ends at the node. */
export function touches(
  edge: Edge,
  node: { readonly layer: number; readonly token: number },
  sentence: Sentence,
): boolean {
  if (!sentence.cross) {
    return edge.from === node.token || edge.to === node.token;
  }
  return sideOf(node.layer, sentence) === "query"
    ? edge.from === node.token
    : edge.to === node.token;
}
