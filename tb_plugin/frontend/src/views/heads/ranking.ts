// The heads that changed most between B and A.
import { fixed, headTitle } from "../../scale/format";
import { headBadge, html } from "../dom";
import type { View } from "../view";
import type { RankingProps } from "./heads_props";

const SHOWN = 40;

export function createRanking(host: HTMLElement): View<RankingProps> {
  const list = html("ol", { class: "ranking" });
  host.append(list);
  let props: RankingProps | null = null;
  return {
    update(next) {
      const moved = props?.ranking !== next.ranking || props.selected !== next.selected;
      props = next;
      if (moved) {
        list.replaceChildren(...next.ranking.slice(0, SHOWN).map((_, place) => row(next, place)));
      }
    },
    destroy: () => list.remove(),
  };
}

/** Heads are ranked only where both maps are here: what has no change has NaN in one of them. */
const shownChange = (change: number): string => (Number.isNaN(change) ? "NaN" : fixed(change));

function row(props: RankingProps, place: number): HTMLElement {
  const head = props.ranking[place];
  const item = html("li");
  if (!head) {
    return item;
  }
  const { selected } = props;
  const bar = html("span", { class: "rank-bar" });
  bar.style.width = `${Math.round(100 * (head.change || 0))}%`;
  bar.style.background = `var(--head-${head.head % 16})`;
  const button = html(
    "button",
    {
      type: "button",
      class: "rank",
      "aria-pressed": String(selected?.layer === head.layer && selected.head === head.head),
      title: Number.isNaN(head.change)
        ? `${headTitle(head)}: weights that are not numbers`
        : `${headTitle(head)}, change ${fixed(head.change, 4)}`,
      "data-layer": head.layer,
      "data-head": head.head,
      "data-value": head.change,
    },
    html("span", { class: "rank-place" }, String(place + 1)),
    html("span", { class: "quiet" }, `L${head.layer + 1}`),
    headBadge(head.head),
    html("span", { class: "rank-track" }, bar),
    html("span", { class: "rank-value" }, shownChange(head.change)),
  );
  button.addEventListener("click", () => props.onSelect({ layer: head.layer, head: head.head }));
  item.append(button);
  return item;
}
