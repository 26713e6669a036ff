import { computed } from "@preact/signals";
import type { HeadPair } from "../core/redundant_heads";
import { problemOf, readyValue } from "../core/resource";
import { fixed, stepLabel } from "../scale/format";
import { tokenText } from "../scale/text";
import { ranking } from "../state/derived/ranked_heads";
import { redundancy } from "../state/redundancy";
import { incomparable, otherRunName, referenceEntry } from "../state/reference";
import { axes, best, entry, select, shown, view } from "../state/store";
import { type HeadsState, openLens } from "../state/view_state";
import { createFigure } from "../views/heads/figure";
import { createPairs } from "../views/heads/pairs";
import { createRanking } from "../views/heads/ranking";
import { changeHeads, compareWithBest, selectHead } from "./actions";
import { CanGo } from "./CanGo";
import { headSource } from "./head_source";
import { OtherRuns } from "./OtherRuns";
import { Problem } from "./Problem";
import { Segments } from "./Segments";
import { ViewHost } from "./ViewHost";

const SIDES: readonly { readonly value: HeadsState["side"]; readonly text: string }[] = [
  { value: "change", text: "Changed" },
  { value: "pairs", text: "Redundant" },
  { value: "idle", text: "Idle" },
  { value: "dormant", text: "Dormant" },
  { value: "importance", text: "Can go" },
];

/** The selected head's map, and what can be done with it. */
function Held() {
  const held = view.value.lock;
  const source = headSource.value;
  if (!held || !source || !axes.value) {
    return null;
  }
  const unseen = shown.value?.entry.vectors === false;
  return (
    <>
      <ViewHost
        create={createFigure}
        props={{
          source,
          query: axes.value.query,
          key: axes.value.key,
          selected: held,
          pin: view.value.pin,
        }}
      />
      <p class="side-actions">
        <button
          type="button"
          class="button"
          disabled={unseen}
          title={
            unseen
              ? "Queries and keys of this step were not kept"
              : "What its queries and keys stand for"
          }
          onClick={() => select({ lens: openLens(held) })}
        >
          Open HeadLens
        </button>
        <button type="button" class="button" onClick={() => selectHead(null)}>
          Release
        </button>
      </p>
    </>
  );
}

function BestButton() {
  const [lowest, shownEntry, b] = [best.value, entry.value, referenceEntry.value];
  if (!lowest || !shownEntry) {
    return null;
  }
  const there =
    view.value.compare === "diff" && otherRunName.value === null && b?.step === lowest.step;
  const same = lowest.step === shownEntry.step;
  return (
    <button
      type="button"
      class="button wide-button"
      disabled={there || same}
      title={
        same
          ? "The shown step is the best one"
          : `Pins ${stepLabel(lowest)}, the best validation, as B and shows A − B`
      }
      onClick={compareWithBest}
    >
      Compare with the best step
    </button>
  );
}

function Changed() {
  return (
    <>
      <h2>Change, A against B</h2>
      <p class="note">mean row Jensen–Shannon distance, 0 same to 1 disjoint</p>
      <BestButton />
      {incomparable.value !== null && <p class="note">None: B cannot be compared with A.</p>}
      <ViewHost
        create={createRanking}
        props={{ ranking: ranking.value, selected: view.value.lock, onSelect: selectHead }}
      />
    </>
  );
}

/** The word at a position of the shown sentence. */
const wordAt = computed(() => {
  const key = axes.value?.key ?? [];
  return (place: number): string =>
    tokenText(key.find(({ members }) => members.includes(place))?.text ?? "");
});

const NONE: readonly never[] = [];

/** Two heads further apart do not do the same: our choice. */
const ALIKE = 0.5;
const alikePairs = computed(
  () => readyValue(redundancy.value)?.pairs.filter(({ distance }) => distance <= ALIKE) ?? NONE,
);

function noPair(pairs: readonly HeadPair[]): string {
  const [nearest] = pairs;
  return nearest === undefined
    ? "None at this step."
    : `None at this step: the nearest two are ${fixed(nearest.distance, 3)} apart.`;
}

type Listed = Exclude<HeadsState["side"], "change" | "importance">;

const LISTS: Readonly<Record<Listed, { readonly title: string; readonly note: string }>> = {
  pairs: {
    title: "Pairs that do the same",
    note: "mean row Jensen–Shannon distance between two heads of any layers, at most 0.5",
  },
  idle: {
    title: "Heads that choose nothing",
    note: "one place whatever is asked (90 % or more), or within 0.1 of even attention",
  },
  dormant: {
    title: "Heads that write nothing",
    note: "less than 20 % of what an average head of the layer writes; awake again above 30 %",
  },
};

function Redundant({ side }: { readonly side: Listed }) {
  const found = readyValue(redundancy.value);
  const problem = problemOf(redundancy.value);
  const source = headSource.value;
  const listed = found?.[side];
  const sentences = found && side !== "dormant" ? found.sentences : 0;
  return (
    <>
      <h2>{LISTS[side].title}</h2>
      <p class="note">
        {LISTS[side].note}
        {sentences > 0 && `; ${sentences} validation ${sentences === 1 ? "probe" : "probes"}`}
      </p>
      <Problem text={problem} />
      {problem === null && !found && <p class="note">Comparing all heads…</p>}
      {listed === null && (
        <p class="note">Unknown: no output projection was found when this was recorded.</p>
      )}
      {side !== "pairs" && listed?.length === 0 && <p class="note">None at this step.</p>}
      {side === "pairs" && found && alikePairs.value.length === 0 && (
        <p class="note">{noPair(found.pairs)}</p>
      )}
      {found && source && (
        <ViewHost
          create={createPairs}
          props={{
            source,
            pairs: side === "pairs" ? alikePairs.value : NONE,
            idle: side === "idle" ? found.idle : NONE,
            dormant: (side === "dormant" ? found.dormant : null) ?? NONE,
            removal: NONE,
            part: found.part,
            word: wordAt.value,
            selected: view.value.lock,
            onSelect: selectHead,
          }}
        />
      )}
    </>
  );
}

/** What is asked about all heads: which changed, do the same, choose or write nothing, can go. */
export function HeadsSide() {
  const { panel, side } = view.value.heads;
  return (
    <aside
      class="side heads-side"
      aria-label="Heads that changed, are redundant, idle or dormant, or can go"
    >
      <div class="side-content">
        {panel === "curves" && <OtherRuns />}
        <Held />
        <Segments<HeadsState["side"]>
          label="Heads to list"
          variant="wide"
          options={SIDES}
          current={side}
          onChoose={(next) => changeHeads({ side: next })}
        />
        {side === "change" ? (
          <Changed />
        ) : side === "importance" ? (
          <CanGo />
        ) : (
          <Redundant side={side} />
        )}
      </div>
    </aside>
  );
}
