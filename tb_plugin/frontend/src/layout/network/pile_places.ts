// Heads of a layer that do the same, stacked (SANVis, section 4.2): which piles there are at a
// distance, and where they stand.
import type { PileTree } from "../../core/recording";
import { LABEL_HEIGHT } from "./map_grid";

/** The slider's end. There everything is one pile, however far the last merge lies. */
export const PILE_LIMIT = 0.6;
export const FIRST_PILE_DISTANCE = 0.22;

/** The piles left after all merges up to a distance; large ones first, heads in their order. */
export function pilesAt(tree: PileTree, distance: number): number[][] {
  const all = distance >= PILE_LIMIT;
  const piles = new Map(Array.from({ length: tree.heads }, (_, head) => [head, [head]]));
  tree.merges.forEach(([first, second, height], merge) => {
    const [a, b] = [piles.get(first), piles.get(second)];
    if (a && b && (all || height <= distance)) {
      piles.delete(first);
      piles.delete(second);
      piles.set(
        tree.heads + merge,
        [...a, ...b].sort((x, y) => x - y),
      );
    }
  });
  return [...piles.values()].sort((a, b) => b.length - a.length || (a[0] ?? 0) - (b[0] ?? 0));
}

export interface Piled {
  readonly heads: readonly number[];
  /** The number of the pile it is named after; null where there is none. */
  readonly name: number | null;
}

export interface PilePlace extends Piled {
  readonly x: number;
  readonly y: number;
  readonly size: number;
  /** px for the label above it. */
  readonly room: number;
}

const PILE_LARGEST = 116;
const PILE_SMALLEST = 34;
const SINGLE_SMALLEST = 14;
const SINGLE_LARGEST = 420;
const MARGIN = 12;
const GAP = 6;
/** Between two piles: their sheets stick out. */
const PILE_GAP = 12;
const PILE_AIR = 10;
const SINGLE_AIR = 4;

/**
 * Real piles on top, single heads in two columns under them, all inside the height. Without any
 * pile, heads stand in one column where that makes them larger.
 */
export function placePiles(piles: readonly Piled[], width: number, height: number): PilePlace[] {
  const large = piles.filter(({ heads }) => heads.length > 1);
  const single = piles.filter(({ heads }) => heads.length === 1);
  const beside =
    large.length > 0
      ? Math.min(2, Math.max(1, single.length))
      : alone(single.length, width, height);
  const rows = Math.ceil(single.length / beside);
  const half = Math.floor((width - 2 * MARGIN - (beside - 1) * GAP) / beside);
  const roomForPiles = height - rows * (Math.min(half, height / 8) + LABEL_HEIGHT + SINGLE_AIR);
  const { columns, size, room } = pileColumns(large.length, width, roomForPiles);
  const pitch = size + LABEL_HEIGHT + PILE_AIR;
  const across = columns * size + (columns - 1) * PILE_GAP;
  const places = large.map((pile, at) => ({
    ...pile,
    x: Math.round((width - across) / 2) - 2 + (at % columns) * (size + PILE_GAP),
    y: Math.floor(at / columns) * pitch,
    size,
    room,
  }));
  const top = Math.ceil(large.length / columns) * pitch;
  const down = Math.floor((height - top) / Math.max(1, rows)) - LABEL_HEIGHT - SINGLE_AIR;
  const most = large.length > 0 ? Math.min(half, size) : Math.min(half, SINGLE_LARGEST);
  const small = Math.max(SINGLE_SMALLEST, Math.min(most, down));
  const left = Math.round((width - beside * small - (beside - 1) * GAP) / 2);
  return [
    ...places,
    ...single.map((pile, at) => ({
      ...pile,
      x: left + (at % beside) * (small + GAP),
      y: top + Math.floor(at / beside) * (small + LABEL_HEIGHT + SINGLE_AIR),
      size: small,
      room: small,
    })),
  ];
}

/** In how many columns heads without a pile are largest. */
function alone(count: number, width: number, height: number): number {
  const size = (columns: number): number =>
    Math.min(
      (width - 2 * MARGIN - (columns - 1) * GAP) / columns,
      height / Math.ceil(count / columns) - LABEL_HEIGHT - SINGLE_AIR,
    );
  return count > 1 && size(2) > size(1) ? 2 : 1;
}

/** Below each other, or two beside each other where that makes them larger. */
function pileColumns(
  count: number,
  width: number,
  height: number,
): { readonly columns: number; readonly size: number; readonly room: number } {
  const tried = (columns: number) => {
    const across = Math.floor((width - 2 * MARGIN - 8 - (columns - 1) * PILE_GAP) / columns);
    const rows = Math.max(1, Math.ceil(count / columns));
    const each = Math.floor(height / rows) - LABEL_HEIGHT - PILE_AIR;
    const size = Math.max(PILE_SMALLEST, Math.min(across, PILE_LARGEST, each));
    return { columns, size, room: columns === 1 ? width - 2 * MARGIN : size + PILE_GAP - 2 };
  };
  const [one, two] = [tried(1), tried(2)];
  return two.size > one.size ? two : one;
}
