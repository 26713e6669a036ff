// Which tokens an axis shows: all, without special tokens, or whole words instead of pieces.
import type { Maps } from "./maps";
import { thumbnails } from "./patches";
import { beginsDocument, labelOf, type Tokens } from "./recording";
import type { Range } from "./window";

/** One mark along an axis; `members` are positions in the recorded sentence. */
export interface AxisToken {
  readonly text: string;
  readonly special: boolean;
  readonly members: readonly number[];
  /** Address of the patch's picture, where tokens are patches of an image. */
  readonly picture?: string;
}

export type Axis = readonly AxisToken[];

export interface AxisOptions {
  readonly hideSpecial: boolean;
  readonly mergeWords: boolean;
  /** The stretch that is shown; absent means all. */
  readonly range?: Range;
  /** How many neighbouring tokens make one mark; pieces are not joined to words then. */
  readonly merge?: number;
}

/** Does this piece continue the word before it? Understands WordPiece's `##`. */
const continues = (piece: string): boolean => piece.startsWith("##") && piece.length > 2;

/** Does this tokenizer mark word starts (SentencePiece, byte-level BPE)? */
function marksStarts(tokens: Tokens): boolean {
  return tokens.text.some((piece) => piece.startsWith("▁") || piece.startsWith("Ġ"));
}

const startsWord = (piece: string): boolean => piece.startsWith("▁") || piece.startsWith("Ġ");

/** True when merging would change anything. */
export function hasPieces(tokens: Tokens): boolean {
  return buildAxis(tokens, { hideSpecial: false, mergeWords: true }).length < tokens.text.length;
}

/** The marks along one axis, in reading order. */
export function buildAxis(tokens: Tokens, options: AxisOptions): Axis {
  const special = new Set(tokens.special);
  const marked = marksStarts(tokens);
  const { start, stop } = options.range ?? { start: 0, stop: tokens.text.length };
  if ((options.merge ?? 1) > 1) {
    return groups(tokens, { start, stop }, options.merge ?? 1);
  }
  const pictures = thumbnails(tokens);
  const axis: { text: string; special: boolean; members: number[]; picture?: string }[] = [];
  tokens.text.slice(start, stop).forEach((piece, offset) => {
    const position = start + offset;
    const last = axis.at(-1);
    const isSpecial = special.has(position);
    const goesOn = marked ? !startsWord(piece) : continues(piece);
    const joins = goesOn && !beginsDocument(tokens, position);
    if (options.mergeWords && last && joins && !isSpecial && !last.special) {
      last.text += marked ? piece : piece.slice(2);
      last.members.push(position);
    } else {
      const picture = pictures[position];
      const mark = { text: labelOf(tokens, position), special: isSpecial, members: [position] };
      axis.push(picture ? { ...mark, picture } : mark);
    }
  });
  return options.hideSpecial ? axis.filter((token) => !token.special) : axis;
}

/** Neighbouring tokens as one mark; it is special only if all of them are. */
function groups(tokens: Tokens, { start, stop }: Range, size: number): Axis {
  const special = new Set(tokens.special);
  return Array.from({ length: Math.ceil((stop - start) / size) }, (_, group) => {
    const first = start + group * size;
    const members = Array.from(
      { length: Math.min(size, stop - first) },
      (_, offset) => first + offset,
    );
    return {
      text: members.map((at) => labelOf({ ...tokens, values: [] }, at)).join(" "),
      special: members.every((at) => special.has(at)),
      members,
    };
  });
}

/** An axis divides columns without overlap: as many marks as columns are the columns themselves. */
const isIdentity = (axis: Axis, length: number): boolean => axis.length === length;

/** The rows or columns of the fetched maps that a mark's tokens lie in. */
function placesOf(mark: AxisToken, start: number, merge: number, size: number): number[] {
  const places = mark.members.map((member) => Math.floor((member - start) / merge));
  return [...new Set(places)].filter((place) => place >= 0 && place < size);
}

/**
 * Maps over the marks of two axes: attention *to* a word is the sum over its pieces, attention
 * *from* a word the mean (Clark et al. 2019, section 4.1), so rows still sum to 1 where no key is hidden.
 */
export function regroup(maps: Maps, query: Axis, key: Axis): Maps {
  if (isIdentity(query, maps.queries) && isIdentity(key, maps.keys)) {
    return maps;
  }
  const { query: firstRow = 0, key: firstKey = 0, merge = 1 } = maps.from ?? {};
  const rowsOf = query.map((mark) => placesOf(mark, firstRow, merge, maps.queries));
  const columnsOf = key.map((mark) => placesOf(mark, firstKey, merge, maps.keys));
  const size = query.length * key.length;
  const data = new Float32Array(maps.layers * maps.heads * size);
  for (let map = 0; map < maps.layers * maps.heads; map++) {
    const from = map * maps.queries * maps.keys;
    rowsOf.forEach((rows, q) => {
      columnsOf.forEach((columns, k) => {
        let sum = 0;
        for (const i of rows) {
          for (const j of columns) {
            sum += maps.data[from + i * maps.keys + j] ?? 0;
          }
        }
        data[map * size + q * key.length + k] = rows.length > 0 ? sum / rows.length : 0;
      });
    });
  }
  return { ...maps, data, queries: query.length, keys: key.length };
}

/** Share of the shown queries' attention that goes to keys which are not shown. */
export function hiddenShare(shown: Maps): number {
  let sum = 0;
  for (const value of shown.data) {
    sum += value;
  }
  const rows = countRows(shown);
  return rows > 0 ? Math.max(0, 1 - sum / rows) : 0;
}

/** Rows that carry attention; heads a layer does not have are all zero and do not count. */
function countRows(maps: Maps): number {
  let rows = 0;
  for (let map = 0; map < maps.layers * maps.heads; map++) {
    const start = map * maps.queries * maps.keys;
    const end = start + maps.queries * maps.keys;
    if (maps.data.subarray(start, end).some((value) => value !== 0)) {
      rows += maps.queries;
    }
  }
  return rows;
}
