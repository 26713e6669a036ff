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
}

const PILE_LARGEST = 116;
const PILE_SMALLEST = 34;
const SINGLE_SMALLEST = 14;
const MARGIN = 12;
const GAP = 6;
const PILE_AIR = 10;
const SINGLE_AIR = 4;

/** Real piles below each other, single heads in two columns under them, all inside the height. */
export function placePiles(piles: readonly Piled[], width: number, height: number): PilePlace[] {
  const large = piles.filter(({ heads }) => heads.length > 1);
  const single = piles.filter(({ heads }) => heads.length === 1);
  const rows = Math.ceil(single.length / 2);
  const half = Math.floor((width - 2 * MARGIN - GAP) / 2);
  const roomForPiles = height - rows * (Math.min(half, height / 8) + LABEL_HEIGHT + SINGLE_AIR);
  const each = Math.floor(roomForPiles / Math.max(1, large.length)) - LABEL_HEIGHT - PILE_AIR;
  const size = Math.max(PILE_SMALLEST, Math.min(width - 2 * MARGIN - 8, PILE_LARGEST, each));
  const pitch = size + LABEL_HEIGHT + PILE_AIR;
  const places = large.map((pile, at) => ({
    ...pile,
    x: Math.round((width - size) / 2) - 2,
    y: at * pitch,
    size,
  }));
  const top = large.length * pitch;
  const down = Math.floor((height - top) / Math.max(1, rows)) - LABEL_HEIGHT - SINGLE_AIR;
  const small = Math.max(SINGLE_SMALLEST, Math.min(half, down));
  const left = Math.round((width - 2 * small - GAP) / 2);
  return [
    ...places,
    ...single.map((pile, at) => ({
      ...pile,
      x: left + (at % 2) * (small + GAP),
      y: top + Math.floor(at / 2) * (small + LABEL_HEIGHT + SINGLE_AIR),
      size: small,
    })),
  ];
}
