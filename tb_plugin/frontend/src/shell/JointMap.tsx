import { useRef } from "preact/hooks";
import { isPending, problemOf } from "../core/resource";
import { headTitle, stepLabel } from "../scale/format";
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
      <h2 class="joint-title">
        Queries and keys of{" "}
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
      <Problem text={problemOf(answer)} />
      {isPending(answer) && !here && <p class="note joint-wait">Placing queries and keys…</p>}
      {found && here && viewport && entry.value && (
        <ViewHost
          create={createJoint}
          props={{
            viewport,
            theme: theme.value,
            joint: found,
            label: `${headTitle(found)} · ${stepLabel(entry.value)}`,
            points: view.value.heads.points,
          }}
        />
      )}
    </section>
  );
}
