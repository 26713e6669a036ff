// Token, head and layer chosen in one view are the ones the other views show.
import type { GraphState, ViewState } from "./view_state";

/** How the graph's rings follow from the layers of the part that is shown. */
export interface Rings {
  /** Source and target differ: two rings per plane, the source first. */
  readonly cross: boolean;
  /** Layers that share a plane. */
  readonly group: number;
}

type Choice = Pick<ViewState, "lock" | "pin" | "graph">;

/** The state after a change, with the same token, head and layer chosen in every view. */
export function crossFilter(before: ViewState, patch: Partial<ViewState>, rings: Rings): ViewState {
  const next = { ...before, ...patch };
  if (patch.graph) {
    return { ...next, ...fromGraph(before, patch.graph, rings) };
  }
  return { ...next, graph: toGraph(before, next, rings) };
}

/** The network's held head and pinned token, as the graph shows them. */
function toGraph(before: Choice, { lock, pin, graph }: Choice, rings: Rings): GraphState {
  let { head, node } = graph;
  if (lock !== before.lock) {
    if (lock) {
      head = lock.head;
      node = {
        layer: Math.floor(lock.layer / rings.group) * sides(rings),
        token: lock.key ?? node.token,
      };
    } else if (head === before.lock?.head) {
      head = "mean";
    }
  }
  if (pin && pin !== before.pin) {
    const plane = Math.floor(node.layer / sides(rings));
    const side = rings.cross && pin.axis === "query" ? 1 : 0;
    node = { layer: plane * sides(rings) + side, token: pin.index };
  }
  return head === graph.head && node === graph.node ? graph : { ...graph, head, node };
}

/** The graph's chosen token and head, as the network shows them. A turned camera chooses nothing. */
function fromGraph(before: ViewState, { head, node }: GraphState, rings: Rings): Partial<Choice> {
  const otherNode = node !== before.graph.node;
  const otherHead = head !== before.graph.head;
  const axis = rings.cross && node.layer % 2 === 1 ? "query" : "key";
  const pin = otherNode ? { pin: { axis, index: node.token } as const } : {};
  if (typeof head !== "number") {
    return otherHead ? { ...pin, lock: null } : pin;
  }
  // A plane of several layers does not say which layer is meant.
  return rings.group === 1 && (otherNode || otherHead)
    ? { ...pin, lock: { layer: Math.floor(node.layer / sides(rings)), head, key: null } }
    : pin;
}

const sides = ({ cross }: Rings): number => (cross ? 2 : 1);
