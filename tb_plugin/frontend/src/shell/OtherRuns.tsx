import { problemOf } from "../core/resource";
import { headOverlay, otherHeads, strangers } from "../state/head_overlay";
import { overlaidNames } from "../state/overlay";
import { select, view } from "../state/store";
import { Problem } from "./Problem";

/** The other runs that are drawn; those without this sentence can be drawn by their means. */
export function OtherRuns() {
  if (overlaidNames.value.length === 0) {
    return null;
  }
  const without = strangers.value;
  return (
    <div class="other-runs">
      <Problem text={problemOf(headOverlay.value)} />
      {otherHeads.value.length > 0 && <OverlaidNames runs={otherHeads.value} most={5} />}
      {without > 0 && view.value.curves === "sentence" && (
        <button
          type="button"
          class="button"
          title="They have another sentence as this probe: compare the means over all probes"
          onClick={() => select({ curves: "splits" })}
        >
          {`Draw ${without} more ${without === 1 ? "run" : "runs"}`}
        </button>
      )}
    </div>
  );
}

interface OverlaidNamesProps {
  readonly runs: readonly { readonly name: string; readonly colour: string }[];
  /** More names than these do not fit: the list of runs has them all. */
  readonly most: number;
}

/** The runs drawn over the shown one, by their colours; many are counted, not named. */
export function OverlaidNames({ runs, most }: OverlaidNamesProps) {
  const named = runs.length <= most;
  return (
    <span class={named ? "note overlaid named" : "note overlaid"}>
      {runs.map(({ name, colour }) => (
        <span key={name} style={{ "--run": colour }} title={name}>
          <i />
          {named && <bdi>{name}</bdi>}
        </span>
      ))}
      {!named && <span>{`${runs.length} more runs`}</span>}
    </span>
  );
}
