// What the graph view is given and what it reports.
import type { ClassNode } from "../../layout/class_nodes";
import type { Viewport } from "../../layout/columns";
import type { EdgeColour } from "../../layout/edge_style";
import type { Edge } from "../../layout/graph";
import type { GraphRule, Plane } from "../../layout/graph_planes";
import type { Sentence } from "../../layout/graph_rings";
import type { Place } from "../../layout/near_layout";
import type { Camera } from "../../layout/projection";
import type { Theme } from "../../scale/heads";

/** A token on one ring: a plane, or one of the two of encoder–decoder attention. */
export interface GraphNode {
  readonly layer: number;
  readonly token: number;
}

/** Widths of a feed-forward block: in and out, and between. */
export interface FeedForward {
  readonly narrow: number;
  readonly wide: number;
}

export interface GraphProps {
  readonly viewport: Viewport;
  readonly theme: Theme;
  readonly label: string;
  readonly sentence: Sentence;
  readonly planes: readonly Plane[];
  readonly rule: GraphRule;
  readonly colour: EdgeColour;
  /** The head every kept edge owes most to; empty unless colour tells heads apart. */
  readonly heads: ReadonlyMap<Edge, number>;
  /** Places of tokens where length follows weight, [plane]; null for even rings. */
  readonly places: readonly (readonly Place[])[] | null;
  readonly compared: boolean;
  /** A change of weight of this size is half of what uniform attention gives. */
  readonly uniform: number;
  /** Draw what the selected token passes on and receives between planes. */
  readonly values: boolean;
  readonly feedForward: FeedForward | null;
  readonly classes: readonly ClassNode[];
  /** The class whose contributions are drawn, by its place in `classes`. */
  readonly chosenClass: number;
  readonly node: GraphNode;
  readonly camera: Camera;
  readonly onNode: (node: GraphNode) => void;
  readonly onClass: (index: number) => void;
  readonly onCamera: (camera: Camera) => void;
}
