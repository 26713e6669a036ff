// The nouns of a recording, exactly as the server sends them (tb_plugin/http_api.md).

/** A measured number as JSON can tell it. */
export type Told = number | "Infinity" | "-Infinity";

/** The number that was told; NaN where there is none. */
export const numberOf = (told: Told | null | undefined): number => Number(told ?? Number.NaN);

export interface RunSummary {
  readonly name: string;
  readonly state: "ok" | "failed";
  readonly message: string | null;
  readonly version: string;
  readonly steps: number;
}

export interface RunIndex {
  readonly version: string;
  readonly runs: readonly RunSummary[];
  readonly notice: string | null;
}

export type Evidence = "model" | "verified" | "unverified";

export interface Layer {
  readonly name: string;
  readonly heads: number;
  readonly evidence: Evidence;
  /** Largest absolute difference to the layer's own output; null when nothing was checked. */
  readonly error: number | null;
}

/** How it is known which sentence a map is about, and which word stands where. */
export type Proof = "seen" | "tried" | "described" | "position";

export interface Part {
  readonly name: string;
  readonly kind: "self" | "cross";
  readonly causal: boolean;
  readonly layers: readonly Layer[];
  /** Which map is which sentence's; null or absent where nobody noted it. */
  readonly rows?: Proof | null;
  /** Which word stands where, likewise; "position" where numbers are shown instead. */
  readonly words?: Proof | null;
  /** The metrics of uniform attention, [layer][metric]; null where a metric is undefined. */
  readonly uniform: readonly (readonly (number | null)[])[];
}

export interface MetricSpec {
  readonly name: string;
  readonly title: string;
  readonly unit: string;
  readonly low: number | null;
  readonly high: number | null;
  readonly reading: string;
  readonly direction: "ascending" | "descending";
  readonly source: string;
}

/** The image whose square patches the tokens are, all but the special ones, in reading order. */
export interface PatchImage {
  readonly rows: number;
  readonly columns: number;
  /** Pixels along a patch's edge. */
  readonly side: number;
  /** 1 for grey, 3 for red, green, blue. */
  readonly channels: number;
  /** One byte per channel of every pixel, in base64. */
  readonly pixels: string;
}

export interface Tokens {
  readonly text: readonly string[];
  readonly special: readonly number[];
  /** What stands at each name, such as the number of a feature; absent for words. */
  readonly values?: readonly string[];
  readonly image?: PatchImage;
  /** Where each of several documents begins, 0 the first: no token reads across. Absent for one. */
  readonly documents?: readonly number[];
}

/** Stands before the first token of a further document. */
export const BORDER = "¦";

/** Whether a document begins at a token, and another has ended. */
export const beginsDocument = ({ documents }: Tokens, at: number): boolean =>
  at > 0 && (documents?.includes(at) ?? false);

/** A token, and what stands there where it is a name: "age = 39"; borders of documents are marked. */
export function labelOf(tokens: Tokens, at: number): string {
  const value = tokens.values?.[at];
  const token = tokens.text[at] ?? "";
  const label = value ? `${token} = ${value}` : token;
  return beginsDocument(tokens, at) ? label.replace(/^[▁Ġ]?/u, (start) => start + BORDER) : label;
}

/** What the byte budget of the recording left of a sentence's maps. */
export interface Kept {
  readonly form: "whole" | "window" | "thumbnail" | "metrics";
  /** Tokens along each axis, from the first, of a `window`. */
  readonly window: number;
  /** Marks along each axis, at most, of coarse maps; 0 where there are none. */
  readonly cells: number;
}

export interface Probe {
  readonly index: number;
  /** "asked": added later, and in no mean. */
  readonly split: "val" | "train" | "asked";
  readonly source: Tokens;
  readonly target: Tokens | null;
  /** The tokens of parts that read neither source nor target as they are. */
  readonly own_axes?: readonly { part: string; query: Tokens; key: Tokens }[];
  /** What the user calls it; absent without a title. */
  readonly title?: string;
  /** Null or absent where the recording does not say. */
  readonly kept?: Kept | null;
  /** The steps that it was asked at; absent for the others, which have all. */
  readonly steps?: readonly number[];
  /** Heads that were silent when it was asked. */
  readonly muted?: readonly (HeadId & { readonly part: string })[];
  /** Indices of the sentences of which this is the mean; absent for a sentence. */
  readonly mean_of?: readonly number[];
}

/** How many tokens of an axis have maps. */
export const keptTokens = ({ kept }: Probe, tokens: number): number =>
  kept?.form === "window" ? Math.min(kept.window, tokens) : tokens;

/** Tokens to a mark where only coarse maps were kept; null where there are exact weights. */
export function coarseMarks(model: Part, sentence: Probe): number | null {
  const { query, key } = axesOf(model, sentence);
  const longest = Math.max(query.text.length, key.text.length);
  return sentence.kept?.form === "thumbnail"
    ? Math.ceil(longest / Math.max(1, sentence.kept.cells))
    : null;
}

export interface StepEntry {
  readonly step: number;
  readonly epoch: number;
  /** False when the byte budget dropped this step's maps; its metrics remain. */
  readonly maps: boolean;
  /** Why there are none; null or absent where there are, or where the server does not say. */
  readonly no_maps?: "thinned" | "damaged" | "unwritten" | "left_out" | "unasked" | null;
  /** Whether query and key vectors were kept, so that HeadLens has something to show. */
  readonly vectors?: boolean;
  /** Names these maps for good: a step recorded again by a resumed run gets another one. */
  readonly v: string;
  /** What was logged; null is NaN. */
  readonly scalars: Readonly<Record<string, Told | null>>;
}

/** What a classifier decides between, and how the tokens' parts in it are known. */
export interface ClassLayer {
  readonly names: readonly string[];
  readonly method: "linear_mean" | "linear_first" | "linear_last" | "gradient";
}

/** At how many steps of how many the training was compared before and after the replay. */
export interface Untouched {
  readonly steps: number;
  readonly of: number;
  /** What the model changed when it was run, by name; it was put back. */
  readonly put_back: readonly string[];
  /** Steps that show weights that were in place for the validation only. */
  readonly lent: number;
  /** What was checked, what was put back, and what was lent: those that apply. */
  readonly sentences: readonly string[];
}

export interface Run {
  readonly name: string;
  readonly session: string;
  readonly version: string;
  readonly parts: readonly Part[];
  readonly metrics: readonly MetricSpec[];
  readonly probes: readonly Probe[];
  /** Means over sentences of one shape, asked for like sentences. */
  readonly means?: readonly Probe[];
  readonly steps: readonly StepEntry[];
  /** The step that is best by what the training watches, else by its validation loss, and that number's name. */
  readonly best?: { readonly step: number; readonly name: string } | null;
  /** Whether recording left the training as it was; null or absent where nobody checked. */
  readonly untouched?: Untouched | null;
  /** Null or absent if the model does not classify sentences. */
  readonly classes?: ClassLayer | null;
  readonly options: Readonly<Record<string, string | number | boolean>>;
  /** What a reader should know about the recording's state, in whole sentences. */
  readonly problems: readonly string[];
}

/** How the heads of a layer merge: heads are piles 0 to heads − 1, merge m makes pile heads + m. */
export interface PileTree {
  readonly heads: number;
  readonly linkage: string;
  readonly merges: readonly (readonly [
    first: number,
    second: number,
    distance: number,
    size: number,
  ])[];
  /** How faithfully the tree keeps the distances, at most 1. */
  readonly cophenetic: number | null;
}

export interface Piles {
  readonly step: number;
  readonly part: string;
  /** On how many probe sentences the heads were compared. */
  readonly sentences: number;
  readonly layers: readonly PileTree[];
}

/** One head of one layer; counted from 0 here and from 1 on screen. */
export interface HeadId {
  readonly layer: number;
  readonly head: number;
}

/** The (query, key) tokens along the two axes of a part's maps. */
export function axesOf(part: Part, probe: Probe): { query: Tokens; key: Tokens } {
  const own = probe.own_axes?.find((axes) => axes.part === part.name);
  if (own) {
    return own;
  }
  const target = probe.target ?? probe.source;
  if (part.kind === "cross") {
    return { query: target, key: probe.source };
  }
  return part.name === "decoder"
    ? { query: target, key: target }
    : { query: probe.source, key: probe.source };
}

/** Rows and columns are the same tokens: a diagonal means something, and so do both directions. */
export function sameTokens(part: Part, probe: Probe): boolean {
  const { query, key } = axesOf(part, probe);
  return (
    part.kind === "self" &&
    query.text.length === key.text.length &&
    query.text.every((word, at) => word === key.text[at])
  );
}

/** A run's steps as one sentence has them: one that was asked later has maps of some only. */
export function stepsOf(run: Run, sentence: Probe | null): readonly StepEntry[] {
  const asked = sentence?.steps;
  return asked
    ? run.steps.map((entry) =>
        entry.maps && !asked.includes(entry.step)
          ? { ...entry, maps: false, no_maps: "unasked" as const }
          : entry,
      )
    : run.steps;
}

/** The same words with all heads, where some were silent; null for any other sentence. */
export function withAllHeads(run: Run, sentence: Probe | null): Probe | null {
  if (!sentence?.muted?.length) {
    return null;
  }
  const words = ({ source, target }: Probe): string => JSON.stringify([source, target]);
  const same = run.probes.filter((other) => words(other) === words(sentence));
  return same.find(({ split, muted }) => split === "asked" && !muted?.length) ?? null;
}

/** The best recorded step, as the server found it; null where nothing to judge by was logged. */
export const bestValidation = ({ best, steps }: Pick<Run, "best" | "steps">): StepEntry | null =>
  steps.find(({ step }) => step === best?.step) ?? null;

/** What can be shown: sentences, then means over some of them. */
export const probesOf = ({ probes, means }: Pick<Run, "probes" | "means">): readonly Probe[] =>
  means?.length ? [...probes, ...means] : probes;

/** Index of the recorded step nearest to `step`; the earlier one on a tie, -1 without steps. */
export function nearestStep(steps: readonly StepEntry[], step: number): number {
  let nearest = -1;
  let distance = Number.POSITIVE_INFINITY;
  steps.forEach((entry, index) => {
    const gap = Math.abs(entry.step - step);
    if (gap < distance) {
      nearest = index;
      distance = gap;
    }
  });
  return nearest;
}
