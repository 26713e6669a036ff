// What the graph view is given and what it reports.
import type { Axis } from "../../core/axis";
import type { Viewport } from "../../layout/columns";
import type { GraphRule, Plane } from "../../layout/graph_planes";
import type { Camera } from "../../layout/projection";
import type { Theme } from "../../scale/heads";

/** A token on one plane. */
export interface GraphNode {
  readonly layer: number;
  readonly token: number;
}

export interface GraphProps {
  readonly viewport: Viewport;
  readonly theme: Theme;
  readonly label: string;
  readonly axis: Axis;
  readonly planes: readonly Plane[];
  readonly rule: GraphRule;
  readonly compared: boolean;
  /** Draw what the selected token passes on and receives between planes. */
  readonly values: boolean;
  readonly node: GraphNode;
  readonly camera: Camera;
  readonly onNode: (node: GraphNode) => void;
  readonly onCamera: (camera: Camera) => void;
}
