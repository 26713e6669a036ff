// Which stretch of a long text and which layers of a deep model are fetched and shown.

/** Positions from `start` up to, not including, `stop`. */
export interface Range {
  readonly start: number;
  readonly stop: number;
}

/** A stretch of the text; `merge` neighbouring tokens make one mark. */
export interface TokenWindow {
  readonly start: number;
  readonly length: number;
  readonly merge: number;
}

export interface LayerWindow {
  readonly start: number;
  readonly length: number;
}

/** A text up to this long is shown whole unless the user narrows it. */
export const WHOLE_TOKENS = 96;
export const FIRST_LENGTH = 64;
/** A whole text with several tokens to a mark is shown in at most this many marks. */
export const WHOLE_MARKS = 64;
export const LENGTHS = [32, 64, 96, 128] as const;
/** No view draws more marks than this. */
export const MOST_MARKS = 128;
/** A model up to this deep is shown whole. */
const WHOLE_LAYERS = 12;
export const FIRST_LAYERS = 8;

/** The stretch of an axis of `tokens` that a window shows; without a choice a long text's start. */
export function tokenRange(chosen: TokenWindow | null, tokens: number): Range {
  const whole = chosen === null && tokens <= WHOLE_TOKENS;
  const length = whole ? tokens : (chosen?.length ?? FIRST_LENGTH);
  const most = Math.max(1, Math.min(length, MOST_MARKS * mergeOf(chosen), tokens));
  const start = Math.max(0, Math.min(chosen?.start ?? 0, tokens - most));
  return { start, stop: start + Math.min(most, tokens) };
}

export const mergeOf = (chosen: TokenWindow | null): number => Math.max(1, chosen?.merge ?? 1);

/** The layers the network view draws. */
export function layerRange(chosen: LayerWindow | null, layers: number): Range {
  const whole = chosen === null && layers <= WHOLE_LAYERS;
  const length = Math.max(1, Math.min(layers, whole ? layers : (chosen?.length ?? FIRST_LAYERS)));
  const start = Math.max(0, Math.min(chosen?.start ?? 0, layers - length));
  return { start, stop: start + length };
}

export const sizeOf = ({ start, stop }: Range): number => stop - start;

/** "1–64 of 512", counted from 1; "all 24" where nothing is left out. */
export const rangeText = (range: Range, of: number): string =>
  sizeOf(range) >= of ? `all ${of}` : `${range.start + 1}–${range.stop} of ${of}`;

/** The next window of the same size, forwards or backwards, inside `of`. */
export function movedRange(range: Range, direction: 1 | -1, of: number): number {
  const size = sizeOf(range);
  return Math.max(0, Math.min(of - size, range.start + direction * size));
}
