// How the Heads view is set, as short pairs, and back.
import { LIST_KEYS, type ListOrder } from "../layout/heads/head_list";
import type { Said } from "./url_codes";
import { type HeadsState, INITIAL_HEADS } from "./view_state";

const PANELS: readonly HeadsState["panel"][] = ["curves", "maps", "pictures", "list", "joint"];
const SIDES: readonly HeadsState["side"][] = ["change", "pairs", "idle", "dormant", "importance"];

const orderText = ({ key, down }: ListOrder): string => `${key}${down ? "-" : ""}`;

export const headsPairs = ({ panel, side, order, points, cut }: HeadsState): Said => ({
  panel: panel === INITIAL_HEADS.panel ? null : panel,
  side: side === INITIAL_HEADS.side ? null : side,
  sorted: orderText(order) === orderText(INITIAL_HEADS.order) ? null : orderText(order),
  points: points === INITIAL_HEADS.points ? null : points,
  piled: cut === INITIAL_HEADS.cut ? null : String(Number(cut.toFixed(3))),
});

export function readHeads(pairs: Readonly<Record<string, string>>): HeadsState {
  const cut = Number(pairs.piled ?? INITIAL_HEADS.cut);
  return {
    panel: PANELS.find((panel) => panel === pairs.panel) ?? INITIAL_HEADS.panel,
    side: SIDES.find((side) => side === pairs.side) ?? INITIAL_HEADS.side,
    order: readOrder(pairs.sorted),
    points: pairs.points === "tag" ? "tag" : "kind",
    cut: Number.isFinite(cut) ? Math.max(0.001, Math.min(1, cut)) : INITIAL_HEADS.cut,
  };
}

function readOrder(text = ""): ListOrder {
  const down = text.endsWith("-");
  const key = LIST_KEYS.find((known) => known === (down ? text.slice(0, -1) : text));
  return key ? { key, down } : INITIAL_HEADS.order;
}
