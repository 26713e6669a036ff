import type { RunSummary } from "../core/recording";
import { runColour } from "../scale/runs";
import { drawsRuns, overlaidNames } from "../state/overlay";
import { otherRunName } from "../state/reference";
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
import { useInSight } from "./in_sight";
import { theme } from "./theme";

/** The pattern of a filter, or what is wrong with it: then every run is listed. */
function matcher(filter: string): RegExp | string {
  try {
    return new RegExp(filter, "i");
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
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
    .filter(({ run }) => typeof pattern === "string" || pattern.test(run.name));
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

function tick(name: string, on: boolean): void {
  const others = view.peek().runs.filter((known) => known !== name);
  select({ runs: on ? [...others, name] : others });
}

export function RunsList() {
  const all = runs.value;
  const { filter } = view.value;
  const kept = filtered(all, filter);
  const pattern = matcher(filter);
  const fault = typeof pattern === "string" ? pattern : null;
  const shownRun = runName.value;
  const root = useInSight<HTMLUListElement>(`${kept.length} ${shownRun}`);
  const hidden = shownRun !== null && !kept.some(({ run }) => run.name === shownRun);
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
        aria-invalid={fault !== null}
        value={filter}
        onInput={(event) => select({ filter: event.currentTarget.value })}
      />
      {fault !== null && (
        <p
          class="nothing"
          role="alert"
        >{`Not a regular expression, so all runs are listed: ${fault}`}</p>
      )}
      {hidden && kept.length > 0 && (
        <p class="nothing">
          The shown run, <bdi>{shownRun}</bdi>, is hidden by this filter.
        </p>
      )}
      {kept.length === 0 && all.length > 0 ? (
        <p class="nothing">
          No run matches “{filter}”.{" "}
          <button type="button" class="button" onClick={() => select({ filter: "" })}>
            Clear filter
          </button>
        </p>
      ) : (
        <ul class="items" ref={root}>
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
              {drawsRuns.value && run.name !== shownRun && run.state === "ok" && (
                <input
                  type="checkbox"
                  class="overlay-tick"
                  aria-label={`Draw ${run.name} as well`}
                  title="Draw this run’s curves as well"
                  checked={overlaidNames.value.includes(run.name)}
                  disabled={run.name === otherRunName.value}
                  onChange={(event) => tick(run.name, event.currentTarget.checked)}
                />
              )}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
