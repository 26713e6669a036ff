// Even attention: what every key gets where a query looks at all the keys it may see alike.
import type { Axis } from "./axis";
import { holdsLayer, type Maps, type Matrix } from "./maps";
import type { Part } from "./recording";

/** How far a query may look: this many tokens back, and ahead, of its own place. */
export interface Sight {
  readonly back: number;
  readonly ahead: number;
  /** Where each of several documents begins: a query sees its own alone. Absent for one. */
  readonly documents?: readonly number[];
}

export const EVERYWHERE: Sight = {
  back: Number.POSITIVE_INFINITY,
  ahead: Number.POSITIVE_INFINITY,
};
/** A causal mask: itself and everything before it. */
export const BACKWARDS: Sight = { back: Number.POSITIVE_INFINITY, ahead: 0 };

/** The first and the last place of the document that a token stands in. */
function documentAround(
  documents: readonly number[],
  at: number,
  tokens: number,
): [number, number] {
  const next = documents.findIndex((begin) => begin > at);
  const end = next < 0 ? tokens : (documents[next] ?? tokens);
  return [documents.at(next < 0 ? -1 : next - 1) ?? 0, end - 1];
}

/** How many of `keys` keys the query at this place of the sentence may see; at least 1. */
export function visibleKeys(
  { back, ahead, documents }: Sight,
  query: number,
  keys: number,
): number {
  const [begin, end] = documents ? documentAround(documents, query, keys) : [0, keys - 1];
  const first = Math.max(begin, query - back);
  const last = Math.min(end, query + ahead);
  return Math.max(1, last - first + 1);
}

function sees({ back, ahead, documents }: Sight, query: number, key: number): boolean {
  const apart = documents?.some(
    (begin) => begin > Math.min(query, key) && begin <= Math.max(query, key),
  );
  return !apart && key - query <= ahead && query - key <= back;
}

/**
 * Even attention over the marks of two axes: to a mark of several tokens the sum over its tokens,
 * from one the mean. `keys` counts the tokens of the whole sentence, shown or not. [query, key]
 */
export function evenMap(sight: Sight, query: Axis, key: Axis, keys: number): Matrix {
  const data = new Float32Array(query.length * key.length);
  query.forEach(({ members }, row) => {
    key.forEach((mark, col) => {
      let sum = 0;
      for (const asks of members) {
        const seen = mark.members.filter((at) => sees(sight, asks, at)).length;
        sum += seen / visibleKeys(sight, asks, keys);
      }
      data[row * key.length + col] = members.length > 0 ? sum / members.length : 0;
    });
  });
  return { data, rows: query.length, cols: key.length };
}

/** How many (query, key) pairs there are to link: those that even attention reaches. */
export const possibleLinks = (even: Matrix): number =>
  even.data.reduce((count, weight) => count + (weight > 0 ? 1 : 0), 0);

/** Fewer tokens than this say nothing about a mask. */
const ENOUGH = 4;
/** Share of the queries that must look exactly as far as a window reaches. */
const SHARP = 0.9;

/**
 * How far the queries of a layer may look: as recorded, and what its maps give away. A triangle that
 * is exactly zero in every head is a mask; so is everything beyond a distance that nearly every
 * query reaches. Joined tokens give nothing away, and two sentences have no distances.
 */
export function sightOf(
  { kind, causal }: Pick<Part, "kind" | "causal">,
  maps: Maps | null,
  layer: number,
  documents?: readonly number[],
): Sight {
  const apart = documents?.length ? { documents } : {};
  const recorded = { ...(kind === "cross" || !causal ? EVERYWHERE : BACKWARDS), ...apart };
  const merge = maps?.from?.merge ?? 1;
  if (kind === "cross" || !maps || merge > 1 || !holdsLayer(maps, layer) || maps.queries < ENOUGH) {
    return recorded;
  }
  const reach = reached(maps, layer, documents);
  const back = edge(reach.back, reach.possibleBack);
  const ahead = edge(reach.ahead, reach.possibleAhead);
  return { back, ahead: Math.min(recorded.ahead, ahead), ...apart };
}

/** Pairs of every distance, and those with a weight above zero in some head. */
interface Reach {
  readonly back: number[];
  readonly ahead: number[];
  readonly possibleBack: number[];
  readonly possibleAhead: number[];
}

function reached(maps: Maps, layer: number, documents?: readonly number[]): Reach {
  const { queries, keys, heads } = maps;
  const size = queries * keys;
  const first = (layer - (maps.from?.layer ?? 0)) * heads * size;
  const { query: firstQuery = 0, key: firstKey = 0 } = maps.from ?? {};
  const own = documents?.length ? { ...EVERYWHERE, documents } : EVERYWHERE;
  const reach: Reach = { back: [], ahead: [], possibleBack: [], possibleAhead: [] };
  for (let cell = 0; cell < size; cell++) {
    const [query, key] = [firstQuery + Math.floor(cell / keys), firstKey + (cell % keys)];
    if (!sees(own, query, key)) {
      continue;
    }
    const distance = query - key;
    const [seen, possible] =
      distance < 0 ? [reach.ahead, reach.possibleAhead] : [reach.back, reach.possibleBack];
    const at = Math.abs(distance);
    possible[at] = (possible[at] ?? 0) + 1;
    for (let head = 0; head < heads; head++) {
      if ((maps.data[first + head * size + cell] ?? 0) > 0) {
        seen[at] = (seen[at] ?? 0) + 1;
        break;
      }
    }
  }
  return reach;
}

/** The distance beyond which nobody looks, if the edge is sharp; else there is no end. */
function edge(seen: readonly number[], possible: readonly number[]): number {
  let last = seen.length - 1;
  while (last >= 0 && !seen[last]) {
    last -= 1;
  }
  const beyond = possible.slice(last + 1).reduce((sum, count) => sum + (count ?? 0), 0);
  if (beyond < ENOUGH) {
    return Number.POSITIVE_INFINITY;
  }
  if (last < 1) {
    return Math.max(0, last);
  }
  return (seen[last] ?? 0) >= SHARP * (possible[last] ?? 1) ? last : Number.POSITIVE_INFINITY;
}
