import { useRef } from "preact/hooks";
import type { Axis } from "../core/axis";
import { readyValue } from "../core/resource";
import { type ClassNode, classNodes } from "../layout/graph/class_nodes";
import { ringAxis, ringCount } from "../layout/graph/graph_rings";
import { classes } from "../state/classes";
import { shownImage } from "../state/derived/image";
import { picture } from "../state/derived/picture";
import { edgeHeads, places, planes, rule, sentence } from "../state/derived/planes";
import { recording, select, shown, view } from "../state/store";
import { createGraph } from "../views/graph/graph";
import { changeGraph } from "./actions";
import { feedForwardOf } from "./GraphRules";
import { GraphSide } from "./GraphSide";
import { theme } from "./theme";
import { useSize } from "./useSize";
import { ViewHost } from "./ViewHost";

/** The class layer of the shown sentence; that of the step before until the next is here. */
function shownClasses(axis: Axis): ClassNode[] {
  const [now, answer] = [shown.value, readyValue(classes.value)];
  const fits = answer && now?.run.name === answer.of.run && now.probe.index === answer.of.probe;
  return fits && now.run.classes ? classNodes(answer.value, now.run.classes.names, axis) : [];
}

/** The chosen class, else the likeliest. */
function chosenAmong(nodes: readonly ClassNode[]): number {
  const asked = nodes.findIndex(({ index }) => index === view.value.graph.cls);
  const likeliest = nodes.reduce(
    (best, { probability }, at) => (probability > (nodes[best]?.probability ?? -1) ? at : best),
    0,
  );
  return asked >= 0 ? asked : likeliest;
}

/** CS559's planes. */
export function GraphView() {
  const root = useRef<HTMLElement>(null);
  const viewport = useSize(root);
  const drawn = picture();
  const [all, marks] = [planes.value, sentence.value];
  const { graph } = view.value;
  const ring = Math.min(graph.node.layer, marks ? ringCount(all.length, marks) - 1 : 0);
  const tokens = marks ? ringAxis(Math.max(0, ring), marks).length : 1;
  const node = {
    layer: Math.max(0, ring),
    token: Math.min(graph.node.token, Math.max(0, tokens - 1)),
  };
  const nodes = marks && drawn?.entry === shown.value?.entry ? shownClasses(marks.key) : [];
  const chosenClass = chosenAmong(nodes);
  return (
    <div class="graph-view">
      <section class="view graph-window" ref={root} aria-label="Attention graph">
        {viewport && drawn && marks && all.length > 0 && (
          <ViewHost
            create={createGraph}
            props={{
              viewport,
              theme: theme.value,
              label: drawn.label,
              sentence: marks,
              planes: all,
              rule: rule.value,
              colour: graph.colour,
              heads: edgeHeads.value,
              places: places.value,
              image: shownImage.value,
              compared: drawn.reference !== null,
              values: graph.values,
              feedForward: graph.feed ? feedForwardOf(recording.value?.options ?? {}) : null,
              classes: nodes,
              chosenClass,
              node,
              camera: graph.camera,
              onNode: (next) => changeGraph({ node: next }),
              onClass: (cls) => changeGraph({ cls }),
              onCamera: (camera) => select({ graph: { ...view.peek().graph, camera } }),
            }}
          />
        )}
      </section>
      {marks && (
        <GraphSide
          planes={all}
          sentence={marks}
          node={node}
          classes={nodes}
          chosenClass={chosenClass}
        />
      )}
    </div>
  );
}
