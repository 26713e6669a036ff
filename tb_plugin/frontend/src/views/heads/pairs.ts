// Pairs of heads that do the same, side by side, and heads that choose or write nothing, or can go.
import type { HeadId } from "../../core/recording";
import type { DormantHead, HeadPair, HeadPlace, IdleHead } from "../../core/redundant_heads";
import type { RemovalRow } from "../../layout/heads/removal";
import { effectValue, fixed, headLabel, partTitle, percent } from "../../scale/format";
import { headBadge, html } from "../dom";
import type { View } from "../view";
import { createInSight, type MapSource, paintThumb, thumbCanvas } from "./thumb";

export interface PairsProps {
  readonly source: MapSource;
  readonly pairs: readonly HeadPair[];
  readonly idle: readonly IdleHead[];
  readonly dormant: readonly DormantHead[];
  readonly removal: readonly RemovalRow[];
  /** The part whose maps are here: heads of others are named. */
  readonly part: string;
  /** The word at a position of the shown sentence. */
  readonly word: (place: number) => string;
  readonly selected: HeadId | null;
  readonly onSelect: (head: HeadId | null) => void;
}

const THUMB = 56;

/** A list of pairs, or of single heads where there are no pairs. */
export function createPairs(host: HTMLElement): View<PairsProps> {
  const list = html("ol", { class: "pairs" });
  host.append(list);
  const sight = createInSight();
  let props: PairsProps | null = null;
  let buttons: { readonly node: HTMLElement; readonly id: HeadId }[] = [];

  const mapOf = (id: HeadId): HTMLElement => {
    const canvas = thumbCanvas(id);
    const node = html(
      "button",
      { type: "button", class: "pair-head", "aria-label": headLabel(id) },
      canvas,
      html("span", {}, html("span", { class: "quiet" }, `L${id.layer + 1}`), headBadge(id.head)),
    );
    node.addEventListener("click", () => props?.onSelect(id));
    sight.watch(node, () => {
      if (props) {
        paintThumb(canvas, props.source, id, THUMB);
      }
    });
    buttons.push({ node, id });
    return node;
  };
  const build = (next: PairsProps): void => {
    sight.clear();
    buttons = [];
    const pairs = next.pairs.map(({ first, second, distance }) =>
      html(
        "li",
        { "data-distance": distance },
        mapOf(placed(first)),
        mapOf(placed(second)),
        html("span", { class: "rank-value" }, fixed(distance, 3)),
      ),
    );
    const idle = next.idle.map((head) =>
      html("li", {}, mapOf(head), html("span", { class: "note" }, idleText(next, head))),
    );
    const dormant = next.dormant.map((head) =>
      html(
        "li",
        { "data-asleep": String(head.asleep) },
        mapOf(head),
        html("span", { class: "note" }, dormantText(head)),
      ),
    );
    const removal = next.removal.map((row) =>
      row.kind === "together"
        ? html(
            "li",
            { class: "together", "data-heads": row.heads, "data-harmless": String(row.harmless) },
            html("span", { class: "note" }, togetherText(row.heads, row.effect)),
          )
        : html(
            "li",
            { "data-part": row.part },
            row.part === next.part ? mapOf(row) : html("span", { class: "note" }, elsewhere(row)),
            html("span", { class: "rank-value" }, effectValue(row.effect)),
          ),
    );
    list.replaceChildren(...pairs, ...idle, ...dormant, ...removal);
  };

  return {
    update(next) {
      const before = props;
      props = next;
      if (
        before?.pairs !== next.pairs ||
        before.idle !== next.idle ||
        before.dormant !== next.dormant ||
        before.removal !== next.removal ||
        before.part !== next.part ||
        before.word !== next.word
      ) {
        build(next);
      } else if (before.source !== next.source) {
        sight.refresh();
      }
      for (const { node, id } of buttons) {
        const held = next.selected;
        const pressed = held?.layer === id.layer && held.head === id.head;
        node.setAttribute("aria-pressed", String(pressed));
      }
    },
    destroy() {
      sight.clear();
      list.remove();
    },
  };
}

const elsewhere = ({ part, layer, head }: HeadId & { readonly part: string }): string =>
  `${partTitle(part)} ${headLabel({ layer, head })}`;

const togetherText = (heads: number, effect: number | null): string => {
  const measured = effect === null ? "no number" : effectValue(effect);
  return heads === 1 ? `without it: ${measured}` : `without these ${heads} together: ${measured}`;
};

const placed = ([layer, head]: HeadPlace): HeadId => ({ layer, head });

/** "writes 8 % of an average head; asleep since step 100, before that from step 40 to 60". */
function dormantText({ writes, asleep, spells }: DormantHead): string {
  const past = spells.filter(([, to]) => to !== null).map(([from, to]) => `step ${from} to ${to}`);
  const now = spells.find(([, to]) => to === null);
  const words = [`writes ${percent(writes)} of an average head`];
  if (asleep && now) {
    words.push(`asleep since step ${now[0]}`);
  }
  if (past.length > 0) {
    words.push(`${asleep ? "before that " : "awake; slept "}from ${past.join(", ")}`);
  }
  return words.join("; ");
}

function idleText({ word }: PairsProps, { kind, measure, place }: IdleHead): string {
  if (kind === "even") {
    return `spreads evenly: ${fixed(measure, 3)} from even attention`;
  }
  const where = place === null ? "one place" : `position ${place + 1}, here “${word(place)}”`;
  return `${percent(measure)} of its attention on ${where}`;
}
