import { signal } from "@preact/signals";
import type { RunSummary } from "../core/recording";
import { runColour } from "../scale/runs";
import {
  arrived,
  best,
  recording,
  runName,
  runs,
  select,
  stepIndex,
  steps,
  view,
} from "../state/store";
import { theme } from "./theme";

const faulty = signal(false);

function matcher(filter: string): RegExp | null {
  try {
    return new RegExp(filter, "i");
  } catch {
    return null;
  }
}

/** The runs a filter keeps, with their place in TensorBoard's order (it decides the colour). */
function filtered(
  all: readonly RunSummary[],
  filter: string,
): { run: RunSummary; place: number }[] {
  const pattern = matcher(filter);
  return all
    .map((run, place) => ({ run, place }))
    .filter(({ run }) => pattern === null || pattern.test(run.name));
}

function noteOf(run: RunSummary): string {
  if (run.state === "failed") {
    return run.message ?? "cannot be read";
  }
  const count = `${run.steps} ${run.steps === 1 ? "step" : "steps"}`;
  const mark = run.name === recording.value?.name ? best.value : null;
  return mark ? `${count} · best at epoch ${mark.epoch}` : count;
}

/** What the store said about the run that is shown. */
const problemsOf = (run: RunSummary): readonly string[] =>
  run.name === recording.value?.name ? recording.value.problems : [];

/** The newest step stays the newest, any other step stays that step, so that runs compare. */
const choose = (name: string): void => {
  const onNewest = stepIndex.peek() === steps.peek().length - 1;
  arrived.value = null;
  select({
    run: name,
    step: onNewest ? null : view.peek().step,
    lock: null,
    pin: null,
  });
};

export function RunsList() {
  const all = runs.value;
  const { filter } = view.value;
  const kept = filtered(all, filter);
  faulty.value = matcher(filter) === null;
  return (
    <section class="runs" aria-label="Runs">
      <h2>
        Runs <small>{`${kept.length} of ${all.length}`}</small>
      </h2>
      <input
        id="run-filter"
        class="filter"
        type="search"
        placeholder="Filter runs (regex)"
        aria-label="Filter runs by a regular expression"
        aria-invalid={faulty.value}
        value={filter}
        onInput={(event) => select({ filter: event.currentTarget.value })}
      />
      {kept.length === 0 && all.length > 0 ? (
        <p class="nothing">
          No run matches “{filter}”.{" "}
          <button type="button" class="button" onClick={() => select({ filter: "" })}>
            Clear filter
          </button>
        </p>
      ) : (
        <ul class="items">
          {kept.map(({ run, place }) => (
            <li key={run.name}>
              <button
                type="button"
                class="item"
                aria-pressed={run.name === runName.value}
                style={{ "--run": runColour(place, theme.value) }}
                onClick={() => choose(run.name)}
              >
                <span class="run-dot" />
                <span class="grow">
                  <bdi class="name">{run.name}</bdi>
                  <em class={run.state === "failed" ? "fault" : ""}>{noteOf(run)}</em>
                  {problemsOf(run).map((problem) => (
                    <em key={problem} class="fault">
                      {problem}
                    </em>
                  ))}
                </span>
                {view.value.reference?.run === run.name && (
                  <span class="b-mark" title="B, the reference step, lies in this run">
                    B
                  </span>
                )}
              </button>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
