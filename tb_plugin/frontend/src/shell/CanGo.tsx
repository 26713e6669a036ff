// Which heads can go, in which order, and what that costs: measured, not added up.
import { computed } from "@preact/signals";
import type { Importance } from "../core/redundant_heads";
import { problemOf, readyValue } from "../core/resource";
import { removalCsv } from "../export/csv";
import { removalRows } from "../layout/heads/removal";
import { effectValue } from "../scale/format";
import { redundancy } from "../state/redundancy";
import { view } from "../state/store";
import { createPairs } from "../views/heads/pairs";
import { selectHead } from "./actions";
import { headSource } from "./head_source";
import { Problem } from "./Problem";
import { save } from "./save";
import { ViewHost } from "./ViewHost";

const NONE: readonly never[] = [];

const rows = computed(() => {
  const found = readyValue(redundancy.value)?.importance;
  return found ? removalRows(found) : NONE;
});

function verdict({ heads, without, can_go, unit }: Importance): string {
  const what = unit === "loss" ? "loss" : "output";
  const effect = without.find((each) => each.heads === can_go)?.effect;
  return effect === undefined || effect === null
    ? `Of ${heads.length} heads not even the least can go for 1 % of the ${what}.`
    : `${can_go} of ${heads.length} heads can go together: ${what} ${effectValue(effect)}, measured.`;
}

function explained({ unit, loss, repeat, step }: Importance): string {
  const what =
    unit === "loss"
      ? `rise of the loss${loss === null ? "" : ` (${effectValue(loss).slice(1)})`} without a head`
      : "how far the output moves without a head, as a share of itself";
  const noise = repeat ? `; the same pass differs from itself by ${effectValue(repeat)}` : "";
  return `${what}, on the probes at step ${step}${noise}`;
}

/** All heads that could be muted, the least important first, and what the first k cost together. */
export function CanGo() {
  const found = readyValue(redundancy.value);
  const problem = problemOf(redundancy.value);
  const source = headSource.value;
  const measured = found?.importance;
  return (
    <>
      <h2>Heads that can go</h2>
      <Problem text={problem} />
      {problem === null && !found && <p class="note">Comparing all heads…</p>}
      {measured === null && (
        <p class="note">
          Not measured up to this step: AttentionMonitor(importance="last") mutes every head once.
        </p>
      )}
      {measured && (
        <>
          <p>{verdict(measured)}</p>
          <p class="note">{explained(measured)}</p>
          <p class="list-actions">
            <button
              type="button"
              class="button"
              title="This list as CSV"
              onClick={() => save(new Blob([removalCsv(measured)], { type: "text/csv" }), "csv")}
            >
              CSV
            </button>
            <button
              type="button"
              class="button"
              title="This list as JSON"
              onClick={() =>
                save(
                  new Blob([JSON.stringify(measured, null, 1)], { type: "application/json" }),
                  "json",
                )
              }
            >
              JSON
            </button>
          </p>
        </>
      )}
      {found && measured && source && (
        <ViewHost
          create={createPairs}
          props={{
            source,
            pairs: NONE,
            idle: NONE,
            dormant: NONE,
            removal: rows.value,
            part: found.part,
            word: () => "",
            selected: view.value.lock,
            onSelect: selectHead,
          }}
        />
      )}
    </>
  );
}
