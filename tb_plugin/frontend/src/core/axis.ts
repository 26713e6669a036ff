// Which tokens an axis shows: all, without special tokens, or whole words instead of pieces.
import type { Maps } from "./maps";
import type { Tokens } from "./recording";

/** One mark along an axis; `members` are positions in the recorded sentence. */
export interface AxisToken {
  readonly text: string;
  readonly special: boolean;
  readonly members: readonly number[];
}

export type Axis = readonly AxisToken[];

export interface AxisOptions {
  readonly hideSpecial: boolean;
  readonly mergeWords: boolean;
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
  const axis: { text: string; special: boolean; members: number[] }[] = [];
  tokens.text.forEach((piece, position) => {
    const last = axis.at(-1);
    const isSpecial = special.has(position);
    const joins = marked ? !startsWord(piece) : continues(piece);
    if (options.mergeWords && last && joins && !isSpecial && !last.special) {
      last.text += marked ? piece : piece.slice(2);
      last.members.push(position);
    } else {
      axis.push({ text: piece, special: isSpecial, members: [position] });
    }
  });
  return options.hideSpecial ? axis.filter((token) => !token.special) : axis;
}

const isIdentity = (axis: Axis, length: number): boolean =>
  axis.length === length && axis.every((token) => token.members.length === 1);

/**
 * Maps over the marks of two axes: attention *to* a word is the sum over its pieces, attention
 * *from* a word the mean (Clark et al. 2019, section 4.1), so rows still sum to 1 where no key is hidden.
 */
export function regroup(maps: Maps, query: Axis, key: Axis): Maps {
  if (isIdentity(query, maps.queries) && isIdentity(key, maps.keys)) {
    return maps;
  }
  const size = query.length * key.length;
  const data = new Float32Array(maps.layers * maps.heads * size);
  for (let map = 0; map < maps.layers * maps.heads; map++) {
    const from = map * maps.queries * maps.keys;
    query.forEach((row, q) => {
      key.forEach((column, k) => {
        let sum = 0;
        for (const i of row.members) {
          for (const j of column.members) {
            sum += maps.data[from + i * maps.keys + j] ?? 0;
          }
        }
        data[map * size + q * key.length + k] = sum / row.members.length;
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
