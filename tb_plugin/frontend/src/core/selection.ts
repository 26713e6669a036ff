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
