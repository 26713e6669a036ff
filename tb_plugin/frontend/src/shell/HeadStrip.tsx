import { useRef } from "preact/hooks";
import { isPending, problemOf } from "../core/resource";
import { mostChange } from "../layout/heads/step_strip";
import { headTitle, smallNumber } from "../scale/format";
import { chosenHead, overTime } from "../state/head_time";
import { alike, best, entry, select, steps, view } from "../state/store";
import type { HeadsState } from "../state/view_state";
import { createStrip } from "../views/heads/strip";
import { Problem } from "./Problem";
import { theme } from "./theme";
import { useSize } from "./useSize";
import { ViewHost } from "./ViewHost";

/** How another head is chosen, by what is shown above. */
const HINTS: Readonly<Record<HeadsState["panel"], string>> = {
  curves: "choose another head by a click on its curve",
  maps: "choose another head by a click on its map",
  pictures: "choose another head by a click on its picture",
  list: "choose another head by a click on its row",
  joint: "choose another head in the list at the right, or with the keys h j k l",
};

const CUTS = { least: 0.01, most: 0.6, step: 0.01 };

function CutControl({ piles }: { readonly piles: number | null }) {
  const { heads } = view.value;
  return (
    <label class="note strip-cut">
      new pile from{" "}
      <input
        type="range"
        min={CUTS.least}
        max={CUTS.most}
        step={CUTS.step}
        aria-label="Change from which on a step starts a pile, mean row Jensen–Shannon distance"
        value={heads.cut}
        onInput={(event) => select({ heads: { ...heads, cut: event.currentTarget.valueAsNumber } })}
      />{" "}
      <output>{heads.cut.toFixed(2)}</output>
      <span class="strip-count">
        {piles === null ? "" : `${piles} ${piles === 1 ? "pile" : "piles"}`}
      </span>
    </label>
  );
}

/** The recorded steps of the chosen head in piles, below every picture of the Heads view. */
export function HeadStrip() {
  const root = useRef<HTMLElement>(null);
  const size = useSize(root);
  const head = chosenHead.value;
  const answer = overTime.value;
  const found = answer.kind === "ready" ? answer.value : null;
  const history = found?.layer === head.layer && found.head === head.head ? found : null;
  return (
    <section class="step-strip" ref={root} aria-label="Steps of one head in piles">
      <header>
        <h2>
          Piled steps of{" "}
          <span
            class="head-badge"
            style={{
              "--hue": `var(--head-${head.head % 16})`,
              "--ground": `var(--head-ground-${head.head % 16})`,
            }}
          >
            {head.head + 1}
          </span>{" "}
          {headTitle(head)}
        </h2>
        <span class="note grow">
          {view.value.lock
            ? "a new pile starts where the head changed"
            : HINTS[view.value.heads.panel]}
          {history &&
            `; bars: change to the next step, tallest ${smallNumber(mostChange(history))}`}
        </span>
        <CutControl piles={history?.piles.length ?? null} />
      </header>
      <Problem text={problemOf(answer)} />
      {isPending(answer) && !history && <p class="note">Comparing the steps of this head…</p>}
      {history && size && (
        <ViewHost
          create={createStrip}
          props={{
            width: size.width,
            theme: theme.value,
            history,
            entries: steps.value,
            a: entry.value?.step ?? -1,
            best: best.value?.step ?? null,
            square: alike.value,
            onStep: (step) => select({ step }),
          }}
        />
      )}
    </section>
  );
}
