import { problemOf, readyValue } from "../core/resource";
import type { ClassNode } from "../layout/graph/class_nodes";
import type { Plane } from "../layout/graph/graph_planes";
import { planeOf, type Sentence } from "../layout/graph/graph_rings";
import { classes as answered } from "../state/classes";
import { shown } from "../state/store";
import type { GraphNode } from "../views/graph/graph_props";
import { BettiCurve } from "./BettiCurve";
import { ClassList } from "./ClassList";
import { Strongest, TopologyTable } from "./GraphLists";
import { GraphRules } from "./GraphRules";
import { Problem } from "./Problem";

interface GraphSideProps {
  readonly planes: readonly Plane[];
  readonly sentence: Sentence;
  readonly node: GraphNode;
  readonly classes: readonly ClassNode[];
  readonly chosenClass: number;
}

/** The rule of the edges, the chosen token's strongest ones, the answer, and the graph's numbers. */
export function GraphSide({ planes, sentence, node, classes, chosenClass }: GraphSideProps) {
  const chosen = planeOf(node.layer, sentence);
  const plane = planes[chosen];
  const { key, query, cross } = sentence;
  const method = readyValue(answered.value)?.value.method ?? shown.value?.run.classes?.method;
  return (
    <aside class="side graph-side" aria-label="Edges and topology">
      <GraphRules planes={planes} />
      {plane && <Strongest plane={plane} sentence={sentence} node={node} />}
      <Problem text={problemOf(answered.value)} />
      {method && (
        <ClassList nodes={classes} chosen={chosenClass} axis={sentence.key} method={method} />
      )}
      <TopologyTable planes={planes} chosen={chosen} />
      {plane && !cross && <BettiCurve plane={plane} tokens={Math.max(key.length, query.length)} />}
    </aside>
  );
}
