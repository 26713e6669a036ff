import { useRef } from "preact/hooks";
import { isPending, problemOf } from "../core/resource";
import { stepLabel } from "../scale/format";
import { chosenHead, joint } from "../state/head_time";
import { entry, view } from "../state/store";
import { createJoint } from "../views/heads/joint";
import { Problem } from "./Problem";
import { theme } from "./theme";
import { useSize } from "./useSize";
import { ViewHost } from "./ViewHost";

/** The chosen head's queries and keys on one plane for all steps. */
export function JointMap() {
  const root = useRef<HTMLElement>(null);
  const viewport = useSize(root);
  const head = chosenHead.value;
  const answer = joint.value;
  const found = answer.kind === "ready" ? answer.value : null;
  const here = found?.layer === head.layer && found.head === head.head;
  return (
    <section class="view" ref={root} aria-label="Query–key map">
      <Problem text={problemOf(answer)} />
      {isPending(answer) && !here && <p class="note">Placing queries and keys…</p>}
      {found && here && viewport && entry.value && (
        <ViewHost
          create={createJoint}
          props={{
            viewport,
            theme: theme.value,
            joint: found,
            label: stepLabel(entry.value),
            points: view.value.heads.points,
          }}
        />
      )}
    </section>
  );
}
