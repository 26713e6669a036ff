import { otherHeads, strangers } from "../state/head_overlay";
import { overlaidNames } from "../state/overlay";
import { select, view } from "../state/store";
import { OverlaidNames } from "./OverlaidNames";

/** The other runs that are drawn; those without this sentence can be drawn by their means. */
export function OtherRuns() {
  if (overlaidNames.value.length === 0) {
    return null;
  }
  const without = strangers.value;
  return (
    <div class="other-runs">
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
