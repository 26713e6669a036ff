// What is said when there is nothing to show, or something to know.
import { useEffect, useState } from "preact/hooks";
import type { StepEntry } from "../core/recording";
import { problemOf } from "../core/resource";
import { stepLabel } from "../scale/format";
import { piles, referencePiles } from "../state/piles";
import { incomparable, loadedReference, otherRun, otherRunName } from "../state/reference";
import { arrived, entry, recording, runName, steps, view } from "../state/store";
import { goToIndex, goToNewest } from "./actions";
import { Problem } from "./Problem";

const SKELETON_DELAY = 200;

export function Empty({ notice }: { readonly notice: string | null }) {
  return (
    <div class="card state">
      <h3>No attention in these runs yet</h3>
      <p>Add the callback; the tab fills after the first validation epoch.</p>
      <pre>
        {
          "from attn_monitor import AttentionMonitor\n\ntrainer = L.Trainer(callbacks=[AttentionMonitor(tokens=tokenizer)])"
        }
      </pre>
      {notice && <p class="note">{notice}</p>}
    </div>
  );
}

interface FailedProps {
  readonly title: string;
  readonly message: string;
  readonly onRetry: () => void;
}

export function Failed({ title, message, onRetry }: FailedProps) {
  return (
    <div class="card state" role="alert">
      <h3>{title}</h3>
      <p>{message}</p>
      <p>
        <button type="button" class="button" onClick={onRetry}>
          Try again
        </button>
      </p>
    </div>
  );
}

/** Boxes where the picture will be; shown only when loading takes longer than a blink. */
export function Skeleton({ layers, what }: { readonly layers: number; readonly what: string }) {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), SKELETON_DELAY);
    return () => clearTimeout(timer);
  }, []);
  if (!late) {
    return null;
  }
  return (
    <div class="skeleton" role="status">
      <div class="skeleton-columns" aria-hidden="true">
        {Array.from({ length: layers + 1 }, (_, column) => (
          <div key={column}>
            {Array.from({ length: 12 }, (_, row) => (
              <i key={row} />
            ))}
          </div>
        ))}
      </div>
      <p class="note">{what}</p>
    </div>
  );
}

/** Above the view, so that it covers nothing: why B, in another run, cannot be shown beside A. */
export function ComparisonProblem() {
  const problem = incomparable.value;
  const unread = problemOf(otherRun.value) ?? problemOf(loadedReference.value);
  if (unread !== null) {
    return <Problem text={`B could not be read. ${unread}`} />;
  }
  return otherRunName.value !== null && problem !== null ? (
    <p class="message banner" role="status">{`B cannot be compared with A. ${problem}.`}</p>
  ) : null;
}

/** Shown over the view: another run or step than the chosen one, no maps, or a newer step. */
export function StepNotices() {
  const here = entry.value;
  const chosen = view.value.run;
  const shown = recording.value?.name;
  const wanted = view.value.step;
  const newer = arrived.value;
  const withoutPiles = problemOf(piles.value) ?? problemOf(referencePiles.value);
  return (
    <div class="notices" aria-live="polite">
      {chosen !== null && chosen !== runName.value && shown !== undefined && (
        <p class="message">{`There is no run “${chosen}” here; this is “${shown}”.`}</p>
      )}
      {here && wanted !== null && here.step !== wanted && (
        <p class="message">{`Step ${wanted} was not recorded; this is the nearest, ${stepLabel(here)}.`}</p>
      )}
      {here && !here.maps && <NoMapsNotice />}
      {withoutPiles !== null && <Problem text={`No piles at this step. ${withoutPiles}`} />}
      {newer && (
        <p class="message">
          {`${stepLabel(newer)} arrived.`}{" "}
          <button type="button" class="button" onClick={goToNewest}>
            Go to newest
          </button>{" "}
          <button
            type="button"
            class="button"
            onClick={() => {
              arrived.value = null;
            }}
          >
            Stay here
          </button>
        </p>
      )}
    </div>
  );
}

const ABSENCES: Readonly<Record<NonNullable<StepEntry["no_maps"]>, string>> = {
  thinned:
    "The maps of this step were dropped to keep the recording small (budget_mb); its metrics remain.",
  damaged: "The maps of this step are damaged on disk and cannot be read; its metrics remain.",
  unwritten: "No maps were recorded at this step, only its metrics.",
  unasked: "This sentence was asked later, and not at this step.",
  left_out: "The maps of this step are not in this file (--max-mb); the recording itself has them.",
};

function NoMapsNotice() {
  const all = steps.value;
  const here = entry.value;
  const at = here ? all.indexOf(here) : -1;
  const before = all.slice(0, Math.max(0, at)).findLastIndex(({ maps }) => maps);
  const after = all.findIndex(({ maps }, index) => index > at && maps);
  return (
    <p class="message">
      {ABSENCES[here?.no_maps ?? "thinned"]}{" "}
      {[before, after].map((index) => {
        const target = all[index];
        return target ? (
          <button key={index} type="button" class="button" onClick={() => goToIndex(index)}>
            {`Go to ${stepLabel(target)}`}
          </button>
        ) : null;
      })}
    </p>
  );
}
