// Heads that a model could do without, as the server sends them.

/** A layer and a head of it, counted from 0. */
export type HeadPlace = readonly [layer: number, head: number];

export interface HeadPair {
  readonly first: HeadPlace;
  readonly second: HeadPlace;
  /** Mean row Jensen–Shannon distance: 0 for equal maps, 1 for maps without a common key. */
  readonly distance: number;
}

export interface IdleHead {
  readonly layer: number;
  readonly head: number;
  /** Looks at one key whatever is asked, or evenly at all. */
  readonly kind: "one_place" | "even";
  /** Share of attention on the key, or distance from even attention. */
  readonly measure: number;
  /** The key's position where it is the same in all sentences. */
  readonly place: number | null;
}

/** A head that writes next to nothing, or did so before. */
export interface DormantHead {
  readonly layer: number;
  readonly head: number;
  /** In units of what an average head of its layer writes. */
  readonly writes: number;
  readonly asleep: boolean;
  /** The steps at which it fell asleep and woke up; a spell that goes on has no second step. */
  readonly spells: readonly (readonly [from: number, to: number | null])[];
}

/** What muting heads did to the probes, as measured. */
export interface Importance {
  readonly step: number;
  /** `"loss"`: by how much it rose; `"share of the output"`: how far that moved. */
  readonly unit: string;
  readonly loss: number | null;
  /** How far the same pass differed from itself: smaller effects mean nothing. */
  readonly repeat: number | null;
  /** How many heads, from the front, can go together for at most 1 %. */
  readonly can_go: number;
  /** Every head of any part that could be muted, the least important first. */
  readonly heads: readonly {
    readonly part: string;
    readonly layer: number;
    readonly head: number;
    readonly effect: number;
  }[];
  /** What muting so many heads from the front together did. */
  readonly without: readonly { readonly heads: number; readonly effect: number | null }[];
}

export interface Redundancy {
  readonly step: number;
  readonly part: string;
  readonly split: string;
  readonly sentences: number;
  /** The most alike first. */
  readonly pairs: readonly HeadPair[];
  readonly idle: readonly IdleHead[];
  /** Those asleep first; null where what heads write is not known. */
  readonly dormant: readonly DormantHead[] | null;
  /** At this step or last before it; null where it was never measured. */
  readonly importance: Importance | null;
}
