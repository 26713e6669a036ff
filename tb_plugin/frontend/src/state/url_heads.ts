// How the Heads view is set, as short pairs, and back.
import { type HeadsState, INITIAL_HEADS } from "./view_state";

type Pairs = Readonly<Record<string, string | null>>;

export const headsPairs = ({ panel, points, cut }: HeadsState): Pairs => ({
  panel: panel === INITIAL_HEADS.panel ? null : panel,
  points: points === INITIAL_HEADS.points ? null : points,
  piled: cut === INITIAL_HEADS.cut ? null : String(Number(cut.toFixed(3))),
});

export function readHeads(pairs: Readonly<Record<string, string>>): HeadsState {
  const cut = Number(pairs.piled ?? INITIAL_HEADS.cut);
  return {
    panel: pairs.panel === "joint" ? "joint" : "curves",
    points: pairs.points === "tag" ? "tag" : "kind",
    cut: Number.isFinite(cut) ? Math.max(0.001, Math.min(1, cut)) : INITIAL_HEADS.cut,
  };
}
