import type { HeadId } from "../core/recording";
import { problemOf } from "../core/resource";
import { headLabel } from "../scale/format";
import { watchedHead } from "../state/assessment";
import { otherRuns } from "../state/derived/chart_groups";
import { overlay } from "../state/overlay";
import { part, select } from "../state/store";
import { OverlaidNames } from "./OtherRuns";
import { Problem } from "./Problem";

const key = ({ layer, head }: HeadId): string => `${layer}.${head}`;

/** Which heads the metric charts are about. */
export function SignalsTools() {
  const layers = part.value?.layers ?? [];
  const heads = layers.flatMap(({ heads: count }, layer) =>
    Array.from({ length: count }, (_, head): HeadId => ({ layer, head })),
  );
  const held = watchedHead.value;
  const choose = (value: string): void => {
    const head = heads.find((known) => key(known) === value);
    select({ lock: head ? { ...head, key: null } : null });
  };
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset's legend cannot be laid out in a row
    <div class="tools" role="group" aria-label="Charts">
      <label class="note">
        Metrics of{" "}
        <select
          class="select"
          aria-label="Heads whose metrics are drawn"
          value={held ? key(held) : ""}
          onChange={(event) => choose(event.currentTarget.value)}
        >
          <option value="">
            {heads.length === 1 ? "the only head" : `all ${heads.length} heads`}
          </option>
          {heads.map((head) => (
            <option key={key(head)} value={key(head)}>
              {headLabel(head)}
            </option>
          ))}
        </select>
      </label>
      {otherRuns.value.length > 0 && <OverlaidNames runs={otherRuns.value} most={2} />}
      <Problem text={problemOf(overlay.value)} />
      <span class="note legend">
        <i class="legend-solid" /> validation
        <i class="legend-train" /> training
      </span>
    </div>
  );
}
