import type { Axis } from "../core/axis";
import { NORM_RANGE, type Norm, type PairRule, uniformWeight } from "../layout/graph";
import type { Plane, PlaneEdge } from "../layout/graph_planes";
import { CLIQUE_LIMIT } from "../layout/topology";
import { fixed, percent, thousands } from "../scale/format";
import { tokenText } from "../scale/text";
import { select, shown, view } from "../state/store";
import type { GraphState } from "../state/view_state";
import type { GraphNode } from "../views/graph/props";

const NORMS: readonly { readonly norm: Norm; readonly text: string; readonly unit: string }[] = [
  { norm: "uniform", text: "× uniform", unit: "times the uniform weight" },
  { norm: "raw", text: "Raw weight", unit: "attention" },
  { norm: "row", text: "Per row", unit: "share of the row’s strongest" },
  { norm: "layer", text: "Min–max per layer", unit: "0 weakest, 1 strongest" },
  { norm: "rank", text: "Rank", unit: "share of edges at most as strong" },
  { norm: "log", text: "Log", unit: "log₁₀ of × uniform" },
];

const PAIRS: readonly { readonly pair: PairRule; readonly text: string }[] = [
  { pair: "sum", text: "Sum A + Aᵀ" },
  { pair: "mean", text: "Mean" },
  { pair: "max", text: "Maximum" },
  { pair: "directed", text: "Directed" },
];

const STRONGEST = 7;

const change = (patch: Partial<GraphState>): void =>
  select({ graph: { ...view.peek().graph, ...patch } });

interface ChoiceProps {
  readonly label: string;
  readonly value: string;
  readonly options: readonly { readonly value: string; readonly text: string }[];
  readonly onChoose: (value: string) => void;
}

function Choice({ label, value, options, onChoose }: ChoiceProps) {
  return (
    <label class="field">
      <span>{label}</span>
      <select
        class="select"
        value={value}
        onChange={(event) => onChoose(event.currentTarget.value)}
      >
        {options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.text}
          </option>
        ))}
      </select>
    </label>
  );
}

function Rules({ planes }: { readonly planes: readonly Plane[] }) {
  const { graph } = view.value;
  const heads = Math.max(1, ...(shown.value?.part.layers ?? []).map((layer) => layer.heads));
  const { max } = NORM_RANGE[graph.norm];
  const special = mean(planes.map((plane) => plane.specialMass));
  const kept = planes.reduce((all, plane) => all + plane.kept.length, 0);
  const total = planes.reduce((all, plane) => all + plane.all.length, 0);
  return (
    <>
      <h2>Edges</h2>
      <Choice
        label="Head"
        value={String(graph.head)}
        options={[
          { value: "mean", text: `Mean of ${heads}` },
          { value: "max", text: `Maximum of ${heads}` },
          ...Array.from({ length: heads }, (_, head) => ({
            value: String(head),
            text: `Head ${head + 1}`,
          })),
        ]}
        onChoose={(head) =>
          change({ head: head === "mean" || head === "max" ? head : Number(head) })
        }
      />
      <Choice
        label="Direction"
        value={graph.pair}
        options={PAIRS.map(({ pair, text }) => ({ value: pair, text }))}
        onChoose={(text) =>
          change({ pair: PAIRS.find(({ pair }) => pair === text)?.pair ?? "sum" })
        }
      />
      <Choice
        label="Normalise"
        value={graph.norm}
        options={NORMS.map(({ norm, text }) => ({ value: norm, text }))}
        onChoose={(text) => {
          const norm = NORMS.find((known) => known.norm === text)?.norm ?? "uniform";
          change({ norm, least: NORM_RANGE[norm].start });
        }}
      />
      <label class="field">
        <span>Keep if ≥</span>
        <input
          type="range"
          min={0}
          max={max}
          step={max / 120}
          aria-label="Keep edges from this level on"
          value={graph.least}
          onInput={(event) => change({ least: event.currentTarget.valueAsNumber })}
        />
        <output>{fixed(graph.least)}</output>
      </label>
      <p class="note">{NORMS.find(({ norm }) => norm === graph.norm)?.unit}</p>
      <label class="check">
        <input
          type="checkbox"
          checked={graph.values}
          onChange={(event) => change({ values: event.currentTarget.checked })}
        />
        <span>Value edges between planes</span>
      </label>
      {special > 0 && (
        <label class="check">
          <input
            type="checkbox"
            checked={graph.words}
            onChange={(event) => change({ words: event.currentTarget.checked })}
          />
          <span>{`Leave out special tokens: ${percent(special)} of weight`}</span>
        </label>
      )}
      <p class="note graph-count">
        {`${thousands(kept)} of ${thousands(total)} edges, ${percent(mean(planes.map((plane) => plane.mass)))} of off-diagonal weight`}
      </p>
    </>
  );
}

const mean = (values: readonly number[]): number =>
  values.length > 0 ? values.reduce((all, value) => all + value, 0) / values.length : 0;

interface NodeProps {
  readonly plane: Plane;
  readonly axis: Axis;
  readonly node: GraphNode;
}

/** The edges of one token, both directions told apart by tone. */
function Strongest({ plane, axis, node }: NodeProps) {
  const { graph } = view.value;
  const visible = ({ from, to }: PlaneEdge): boolean =>
    !(graph.words && (axis[from]?.special || axis[to]?.special));
  const edges = plane.all
    .filter((edge) => (edge.from === node.token || edge.to === node.token) && visible(edge))
    .sort((a, b) => b.weight - a.weight)
    .slice(0, STRONGEST);
  const widest = Math.max(0.2, ...edges.map(({ forward, backward }) => forward + backward));
  return (
    <>
      <h2>{`“${tokenText(axis[node.token]?.text ?? "")}” in layer ${node.layer + 1}`}</h2>
      <ol class="ranking">
        {edges.map((edge) => {
          const away = edge.from === node.token;
          const other = away ? edge.to : edge.from;
          const looks = away ? edge.forward : edge.backward;
          const lookedAt = away ? edge.backward : edge.forward;
          return (
            <li key={`${edge.from}-${edge.to}`}>
              <button
                type="button"
                class="rank edge-row"
                title={`looks there ${fixed(looks, 4)}, is looked at ${fixed(lookedAt, 4)}`}
                onClick={() => change({ node: { layer: node.layer, token: other } })}
              >
                <bdi class="edge-word">{tokenText(axis[other]?.text ?? "")}</bdi>
                <span class="rank-track">
                  <i class="looks" style={{ width: `${(100 * looks) / widest}%` }} />
                  <i class="looked-at" style={{ width: `${(100 * lookedAt) / widest}%` }} />
                </span>
                <span class="rank-value">{fixed(edge.weight)}</span>
              </button>
            </li>
          );
        })}
      </ol>
      <p class="note">
        {`Strong tone: the word looks there. Pale: it is looked at. Uniform ${fixed(uniformWeight(graph.pair, axis.length))}.`}
      </p>
    </>
  );
}

function TopologyTable({
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
          {planes.map(({ topology }, layer) => (
            <tr key={layer} class={layer === chosen ? "chosen" : ""}>
              <th scope="row">{`L${layer + 1}`}</th>
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

interface GraphSideProps {
  readonly planes: readonly Plane[];
  readonly axis: Axis;
  readonly node: GraphNode;
}

/** The rule of the edges, the chosen token's strongest ones, and the graph's numbers. */
export function GraphSide({ planes, axis, node }: GraphSideProps) {
  const plane = planes[node.layer];
  return (
    <aside class="side graph-side" aria-label="Edges and topology">
      <Rules planes={planes} />
      {plane && <Strongest plane={plane} axis={axis} node={node} />}
      <TopologyTable planes={planes} chosen={node.layer} />
    </aside>
  );
}
