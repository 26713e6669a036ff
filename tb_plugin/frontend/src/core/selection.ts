// What a user can hold on to across views and steps.
import type { HeadId } from "./recording";

/** A head held open in the pop-up; `key` is the framed mark of the key axis. */
export interface HeldHead extends HeadId {
  readonly key: number | null;
}

/** A token whose links stay lit in every layer. */
export interface PinnedToken {
  readonly axis: "query" | "key";
  readonly index: number;
}

/**
 * Which links to show: from this many times even attention on (a number that can be followed), all
 * from a weight on, the strongest with this mass, or this many.
 */
export type LinkCut =
  | { readonly kind: "even"; readonly amount: number }
  | { readonly kind: "value"; readonly amount: number }
  | { readonly kind: "mass"; readonly amount: number }
  | { readonly kind: "count"; readonly amount: number };

/** What became of a link between B and A: it passes the cut in A only, in B only, or in both. */
export type Fate = "born" | "lost" | "kept";

/** Positions among the recorded steps; -1 where there is none. */
export interface Marks {
  readonly a: number;
  readonly b: number;
  readonly best: number;
}
