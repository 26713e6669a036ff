// The selected token's strongest edges, and the graph's numbers.
import type { Plane, PlaneEdge } from "../layout/graph/graph_planes";
import { ringAxis, type Sentence, sideOf, touches } from "../layout/graph/graph_rings";
import { groupTitle } from "../layout/graph/layer_groups";
import { CLIQUE_LIMIT } from "../layout/graph/topology";
import { fixed } from "../scale/format";
import { tokenText } from "../scale/text";
import { nouns } from "../state/derived/nouns";
import type { GraphNode } from "../views/graph/graph_props";
import { changeGraph as change } from "./actions";

const STRONGEST = 7;

/** In a causal text the first tokens have much attention because few share it: that is no news. */
const timesEven = ({ weight, even }: PlaneEdge): number => (even > 0 ? weight / even : 0);

interface NodeProps {
  readonly plane: Plane;
  readonly sentence: Sentence;
  readonly node: GraphNode;
}

/** The edges of one token, both directions told apart by tone. */
export function Strongest({ plane, sentence, node }: NodeProps) {
  const own = ringAxis(node.layer, sentence);
  const asks = !sentence.cross || sideOf(node.layer, sentence) === "query";
  const others = asks ? sentence.key : sentence.query;
  const otherRing = node.layer + (sentence.cross ? (asks ? -1 : 1) : 0);
  const edges = plane.eligible
    .filter((edge) => touches(edge, node, sentence))
    .sort((a, b) => timesEven(b) - timesEven(a))
    .slice(0, STRONGEST);
  const widest = Math.max(0.2, ...edges.map(({ forward, backward }) => forward + backward));
  return (
    <>
      <h2>
        <bdi>{`“${tokenText(own[node.token]?.text ?? "")}”`}</bdi>
        {` in ${groupTitle(plane.layers).toLowerCase()}`}
      </h2>
      <ol class="ranking">
        {edges.map((edge) => {
          const away = asks && edge.from === node.token;
          const other = away ? edge.to : edge.from;
          const looks = away ? edge.forward : edge.backward;
          const lookedAt = away ? edge.backward : edge.forward;
          return (
            <li key={`${edge.from}-${edge.to}`}>
              <button
                type="button"
                class="rank edge-row"
                title={`looks there ${fixed(looks, 4)}, is looked at ${fixed(lookedAt, 4)}, even ${fixed(edge.even, 4)}`}
                onClick={() => change({ node: { layer: otherRing, token: other } })}
              >
                <bdi class="edge-word">{tokenText(others[other]?.text ?? "")}</bdi>
                <span class="rank-track">
                  <i class="looks" style={{ width: `${(100 * looks) / widest}%` }} />
                  <i class="looked-at" style={{ width: `${(100 * lookedAt) / widest}%` }} />
                  <i class="even" style={{ left: `${(100 * edge.even) / widest}%` }} />
                </span>
                <span class="rank-value">{fixed(edge.weight)}</span>
              </button>
            </li>
          );
        })}
      </ol>
      <p class="note">
        {`Strong tone: the ${nouns.value.token} looks there. Pale: it is looked at. Tick: even attention.`}
      </p>
    </>
  );
}

export function TopologyTable({
  planes,
  chosen,
}: {
  readonly planes: readonly Plane[];
  readonly chosen: number;
}) {
  return (
    <>
      <h2>Topology at this cut</h2>
      <table class="topology">
        <thead>
          <tr>
            {["Layer", "Edges", "Parts b₀", "Cycles b₁", "Cliques", "Largest"].map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {planes.map(({ topology, layers }, layer) => (
            <tr key={layer} class={layer === chosen ? "chosen" : ""}>
              <th scope="row">
                {layers.stop - layers.start === 1
                  ? `L${layers.stop}`
                  : `L${layers.start + 1}–${layers.stop}`}
              </th>
              <td>{topology.edges}</td>
              <td>{topology.parts}</td>
              <td>{topology.cycles}</td>
              <td>{topology.cliques >= CLIQUE_LIMIT ? `${CLIQUE_LIMIT}+` : topology.cliques}</td>
              <td>{topology.largest}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="note">
        b₁ counts independent cycles of the graph, E − T + b₀; cliques are maximal, of three tokens
        or more. Counts change with the cut: compare steps at one cut only.
      </p>
    </>
  );
}
