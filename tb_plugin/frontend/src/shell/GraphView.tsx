import { useRef } from "preact/hooks";
import { axes, select, shown, view } from "../state/store";
import { graphRule } from "../state/view_state";
import { createGraph } from "../views/graph/graph";
import { GraphSide } from "./GraphSide";
import { picture } from "./picture";
import { planes } from "./planes";
import { theme } from "./theme";
import { useSize } from "./useSize";
import { ViewHost } from "./ViewHost";

/** CS559's planes, or why this part has none. */
export function GraphView() {
  const root = useRef<HTMLElement>(null);
  const viewport = useSize(root);
  const now = shown.value;
  const drawn = picture();
  const axis = axes.value?.key ?? null;
  const square = now?.part.kind === "self";
  const all = planes.value;
  const { graph } = view.value;
  const node = {
    layer: Math.min(graph.node.layer, Math.max(0, all.length - 1)),
    token: Math.min(graph.node.token, Math.max(0, (axis?.length ?? 1) - 1)),
  };
  if (now && !square) {
    return (
      <div class="card state">
        <h3>No graph of encoder–decoder attention</h3>
        <p>A plane joins tokens of one sentence. Source and target words are joined in Network.</p>
      </div>
    );
  }
  return (
    <div class="graph-view">
      <section class="view graph-window" ref={root} aria-label="Attention graph">
        {viewport && drawn && axis && all.length > 0 && (
          <ViewHost
            create={createGraph}
            props={{
              viewport,
              theme: theme.value,
              label: drawn.label,
              axis,
              planes: all,
              rule: graphRule(graph),
              compared: drawn.reference !== null,
              values: graph.values,
              node,
              camera: graph.camera,
              onNode: (next) => select({ graph: { ...graph, node: next } }),
              onCamera: (camera) => select({ graph: { ...view.peek().graph, camera } }),
            }}
          />
        )}
      </section>
      {axis && <GraphSide planes={all} axis={axis} node={node} />}
    </div>
  );
}
