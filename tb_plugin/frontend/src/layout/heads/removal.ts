// The heads that a model can do without, in the order in which they would go.
import type { Importance } from "../../core/redundant_heads";

export type RemovalRow =
  | {
      readonly kind: "head";
      readonly part: string;
      readonly layer: number;
      readonly head: number;
      /** Of this head alone. */
      readonly effect: number;
    }
  | {
      readonly kind: "together";
      /** The heads above. */
      readonly heads: number;
      /** Of all of them at once, measured and not added up; null where it was no number. */
      readonly effect: number | null;
      /** Whether they can go: at most 1 %. */
      readonly harmless: boolean;
    };

/** Every head with its own effect, and below the first k what muting these together did. */
export function removalRows({ heads, without, can_go }: Importance): RemovalRow[] {
  const together = new Map(without.map((each) => [each.heads, each.effect]));
  return heads.flatMap((each, at): RemovalRow[] => {
    const row: RemovalRow = { kind: "head", ...each };
    const count = at + 1;
    const effect = together.get(count);
    return effect === undefined
      ? [row]
      : [row, { kind: "together", heads: count, effect, harmless: count <= can_go }];
  });
}
