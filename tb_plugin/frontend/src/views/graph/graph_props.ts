// What the graph view is given and what it reports.

import type { PatchImage } from "../../core/recording";
import type { Camera } from "../../layout/graph/camera";
import type { ClassNode } from "../../layout/graph/class_nodes";
import type { EdgeColour } from "../../layout/graph/edge_style";
import type { GraphRule, Plane, PlaneEdge } from "../../layout/graph/graph_planes";
import type { Sentence } from "../../layout/graph/graph_rings";
import type { Place } from "../../layout/graph/near_layout";
import type { Spot } from "../../layout/graph/seats";
import type { Edge } from "../../layout/graph/token_graph";
import type { Viewport } from "../../layout/network/columns";
import type { Theme } from "../../scale/head_colours";

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
  /** Drawn on every plane where tokens are its patches. */
  readonly image: PatchImage | null;
  readonly compared: boolean;
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

/** Something under the pointer: a token of a ring, an edge at its bend, a class, or a plane. */
export type Hit =
  | { readonly kind: "plane"; readonly layer: number; readonly rim: readonly Spot[] }
  | { readonly kind: "class"; readonly index: number; readonly at: Spot }
  | { readonly kind: "node"; readonly layer: number; readonly token: number; readonly at: Spot }
  | { readonly kind: "edge"; readonly layer: number; readonly edge: PlaneEdge; readonly at: Spot };

export interface Colours {
  readonly bg: string;
  readonly ink: string;
  readonly ink2: string;
  readonly ink3: string;
  readonly line2: string;
  readonly accent: string;
  readonly more: string;
  readonly less: string;
  readonly plane: string;
  readonly nan: string;
}
