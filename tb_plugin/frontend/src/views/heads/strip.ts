// The steps of one head in piles: a picture per pile, a line of steps, a bar where the head changed.
import type { OverTime } from "../../core/over_time";
import type { StepEntry } from "../../core/recording";
import {
  BAR_HEIGHT,
  changeBars,
  type PlacedPile,
  pileMap,
  placeStepPiles,
} from "../../layout/heads/step_strip";
import { tickX, timeline } from "../../layout/timeline";
import { fixed, headLabel } from "../../scale/format";
import type { Theme } from "../../scale/head_colours";
import { attentionRamp } from "../../scale/ramps";
import { html, svg } from "../dom";
import { drawHeat } from "../heat";
import type { View } from "../view";

export interface StripProps {
  readonly width: number;
  readonly theme: Theme;
  readonly history: OverTime;
  /** The recorded steps, to name epochs. */
  readonly entries: readonly StepEntry[];
  readonly a: number;
  readonly best: number | null;
  /** Rows and columns are the same tokens. */
  readonly square: boolean;
  readonly onStep: (step: number) => void;
}

const PICTURE_TOP = 16;
const LINE = 132;
const HEIGHT = 152;

export function createStrip(host: HTMLElement): View<StripProps> {
  const picture = svg("svg", { class: "strip-picture", height: HEIGHT });
  const root = html("div", { class: "strip-body" }, picture);
  host.append(root);
  return {
    update(props) {
      const placed = placeStepPiles(props.history, props.width);
      picture.setAttribute("width", String(props.width));
      picture.replaceChildren(...drawLine(props, placed));
      const focused = [...root.querySelectorAll("button")].indexOf(
        document.activeElement as HTMLButtonElement,
      );
      root.replaceChildren(picture, ...placed.map((pile) => drawPile(props, pile)));
      root.querySelectorAll("button")[focused]?.focus();
    },
    destroy: () => root.remove(),
  };
}

const holdsA = ({ history, a }: StripProps, pile: PlacedPile): boolean => {
  const at = history.steps.indexOf(a);
  return at >= pile.first && at <= pile.last;
};

/** "3" or "4–20": the epochs of a pile. */
function epochs({ history, entries }: StripProps, { first, last }: PlacedPile): string {
  const epoch = (at: number): number =>
    entries.find(({ step }) => step === history.steps[at])?.epoch ?? 0;
  return epoch(first) === epoch(last) ? `${epoch(first)}` : `${epoch(first)}–${epoch(last)}`;
}

function drawPile(props: StripProps, pile: PlacedPile): HTMLElement {
  const { history, theme } = props;
  const count = pile.last - pile.first + 1;
  const stack = count > 3 ? " stack2" : count > 1 ? " stack1" : "";
  const canvas = html("canvas", { class: "heat" });
  drawHeat(canvas, pileMap(pile, history.shape), {
    width: pile.size,
    height: pile.size,
    ramp: attentionRamp(history.head, theme),
    theme,
    diagonal: props.square,
  });
  const label = `epochs ${epochs(props, pile)}`;
  const button = html(
    "button",
    {
      type: "button",
      class: `step-pile${stack}${holdsA(props, pile) ? " held" : ""}`,
      "aria-label": `Pile of ${count} ${count === 1 ? "step" : "steps"}, ${label}, of ${headLabel(history)}: go to its first step`,
      "aria-pressed": String(holdsA(props, pile)),
      "data-first": pile.first,
      "data-last": pile.last,
    },
    html("span", { class: "step-pile-label" }, epochs(props, pile)),
    canvas,
  );
  button.style.left = `${pile.x}px`;
  button.style.width = `${pile.size}px`;
  button.addEventListener("click", () => {
    const step = history.steps[pile.first];
    if (step !== undefined) {
      props.onStep(step);
    }
  });
  return button;
}

function drawLine(props: StripProps, placed: readonly PlacedPile[]): SVGElement[] {
  const { history, width, entries, best } = props;
  const known = entries.filter(({ step }) => history.steps.includes(step));
  const { ticks, labels } = timeline(known, width);
  const at = (step: number | null): number => (step === null ? -1 : history.steps.indexOf(step));
  const x = (index: number): number => tickX(index, history.steps.length, width);
  const stretches = placed.flatMap((pile) => {
    const middle = (pile.from + pile.to) / 2;
    const bottom = PICTURE_TOP + pile.size + 6;
    const tone = holdsA(props, pile) ? "pile-stretch held" : "pile-stretch";
    return [
      svg("path", {
        class: "pile-stem",
        d: `M${pile.x + pile.size / 2},${bottom}L${middle},${LINE - BAR_HEIGHT - 4}V${LINE - 2}`,
      }),
      svg("line", { class: tone, x1: pile.from - 4, x2: pile.to + 4, y1: LINE, y2: LINE }),
    ];
  });
  const bars = changeBars(history, width).map(({ x: middle, height, change }, index) =>
    svg(
      "rect",
      {
        class: "change-bar",
        x: middle - 3,
        width: 6,
        y: LINE - 1.5 - height,
        height,
        "data-change": change,
      },
      svg(
        "title",
        {},
        `step ${history.steps[index]} to ${history.steps[index + 1]}: changed by ${fixed(change, 4)} of 1`,
      ),
    ),
  );
  const names = labels.map(({ x: left, text, anchor }) =>
    svg("text", { x: left, y: LINE + 18, "text-anchor": anchor }, text),
  );
  const bestAt = at(best);
  return [
    ...ticks.map((tick) =>
      svg("line", { class: "strip-tick", x1: tick.x, x2: tick.x, y1: LINE, y2: LINE + 4 }),
    ),
    ...stretches,
    ...bars,
    ...(bestAt >= 0
      ? [svg("line", { class: "best-line", x1: x(bestAt), x2: x(bestAt), y1: LINE - 24, y2: LINE })]
      : []),
    ...(at(props.a) >= 0
      ? [svg("circle", { class: "dot a", r: 4, cx: x(at(props.a)), cy: LINE })]
      : []),
    ...names,
  ];
}
