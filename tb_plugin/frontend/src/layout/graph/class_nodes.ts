// The class layer after the last plane: what the model answers and what every token adds.
import type { Axis } from "../../core/axis";
import type { ClassAnswer } from "../../core/class_answer";

export interface ClassNode {
  /** Its place among the model's classes. */
  readonly index: number;
  readonly name: string;
  readonly probability: number;
  /** What every mark on screen adds to the class's score. */
  readonly added: readonly number[];
}

/** The largest part of any token in any class, of those that are finite. */
export const largestPart = (nodes: readonly ClassNode[]): number =>
  nodes
    .flatMap(({ added }) => added.map(Math.abs))
    .filter(Number.isFinite)
    .reduce((most, part) => Math.max(most, part), Number.MIN_VALUE);

const MOST_NODES = 8;
const SUM_TOLERANCE = 1e-3;

/** Softmax, unless the model returned probabilities already. */
export function probabilities(scores: readonly number[]): number[] {
  const total = scores.reduce((all, score) => all + score, 0);
  if (scores.every((score) => score >= 0) && Math.abs(total - 1) < SUM_TOLERANCE) {
    return [...scores];
  }
  const top = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - top));
  const sum = powers.reduce((all, power) => all + power, 0);
  return powers.map((power) => power / sum);
}

/** The likeliest classes, in the model's own order. */
export function classNodes(answer: ClassAnswer, names: readonly string[], axis: Axis): ClassNode[] {
  const chances = probabilities(answer.scores);
  return chances
    .map((probability, index) => ({ probability, index }))
    .sort((a, b) => b.probability - a.probability || a.index - b.index)
    .slice(0, MOST_NODES)
    .sort((a, b) => a.index - b.index)
    .map(({ probability, index }) => ({
      index,
      probability,
      name: names[index] ?? `class ${index + 1}`,
      added: axis.map(({ members }) =>
        members.reduce((sum, token) => sum + (answer.contributions[token]?.[index] ?? 0), 0),
      ),
    }));
}
