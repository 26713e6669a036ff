import type { Axis } from "../core/axis";
import type { ClassLayer } from "../core/recording";
import { type ClassNode, largestPart } from "../layout/graph/class_nodes";
import { orNaN, percent, signed } from "../scale/format";
import { tokenText } from "../scale/text";
import { changeGraph } from "./actions";

const LISTED = 5;

const METHODS: Readonly<Record<ClassLayer["method"], string>> = {
  linear_mean: "Exact: the classes are linear in the mean of the last hidden states.",
  linear_first:
    "Exact: the classes read the first token’s last state only; its plane shows from where that comes.",
  linear_last:
    "Exact: the classes read the last token’s last state only; its plane shows from where that comes.",
  gradient: "Gradient × last hidden state: the first-order effect of leaving a token’s state away.",
};

interface ClassListProps {
  readonly nodes: readonly ClassNode[];
  readonly chosen: number;
  readonly axis: Axis;
  readonly method: ClassLayer["method"];
}

/** The model's answer, and the tokens that add most to one class. */
export function ClassList({ nodes, chosen, axis, method }: ClassListProps) {
  const node = nodes[chosen];
  if (!node) {
    return null;
  }
  const strongest = node.added
    .map((added, token) => ({ added, token }))
    .filter(({ added }) => added !== 0)
    .sort((a, b) => Math.abs(b.added) - Math.abs(a.added))
    .slice(0, LISTED);
  const widest = largestPart(nodes);
  return (
    <>
      <h2>Answer</h2>
      <label class="field">
        <span>Class</span>
        <select
          class="select"
          aria-label="Class"
          value={String(node.index)}
          onChange={(event) => changeGraph({ cls: Number(event.currentTarget.value) })}
        >
          {nodes.map(({ index, name, probability }) => (
            <option key={index} value={String(index)}>
              {`${tokenText(name)}, ${orNaN(probability, percent)}`}
            </option>
          ))}
        </select>
      </label>
      <ol class="ranking class-parts">
        {strongest.map(({ added, token }) => (
          <li key={token} class="edge-row">
            <bdi class="edge-word">{tokenText(axis[token]?.text ?? "")}</bdi>
            <span class="rank-track">
              <i
                class={added > 0 ? "adds" : "takes"}
                style={{ width: `${100 * Math.min(1, Math.abs(added || 0) / widest)}%` }}
              />
            </span>
            <span class="rank-value">{orNaN(added, signed)}</span>
          </li>
        ))}
      </ol>
      <p class="note">{METHODS[method]}</p>
    </>
  );
}
