import type { Growth, MaskAudit } from "../core/signals";
import { GROWTH_SIZE, growthPicture } from "../layout/signals/growth";
import { partTitle, thousands } from "../scale/format";
import { Verdict } from "./Verdict";

const lead = ({ holds, pairs, leaks }: MaskAudit): string => {
  if (holds === null) {
    return "Unknown.";
  }
  return holds
    ? `Holds: 0 of ${thousands(pairs)} forbidden pairs leak.`
    : `Leaks: ${thousands(leaks)} of ${thousands(pairs)} forbidden pairs.`;
};

/** Whether the mask holds, as it was tried before the first optimizer step. */
export function Mask({ audit }: { readonly audit: MaskAudit }) {
  return (
    <section aria-label="Mask">
      <h2>Mask, before training</h2>
      <div data-mask={audit.holds === null ? "unknown" : audit.holds ? "holds" : "leaks"}>
        <Verdict lead={lead(audit)} raised={audit.holds === false}>
          {audit.sentences[0]}
        </Verdict>
      </div>
      {audit.sentences.slice(1).map((sentence) => (
        <p key={sentence} class="note">
          {sentence}
        </p>
      ))}
      <p class="note">{audit.trust}</p>
    </section>
  );
}

function Picture({ growth }: { readonly growth: Growth }) {
  const { line, band, ahead, limit, ticks, bottom } = growthPicture(growth);
  const { width, height } = GROWTH_SIZE;
  return (
    <svg
      class="growth"
      viewBox={`0 0 ${width} ${height}`}
      role="img"
      aria-label={`Largest score of ${growth.head} at the steps that were read, and its forecast`}
    >
      {ticks.map((tick) => (
        <text key={tick.text} x={28} y={tick.y + 4} class="growth-tick">
          {tick.text}
        </text>
      ))}
      <line class="growth-limit" x1={34} x2={width - 8} y1={limit.y} y2={limit.y} />
      <text x={28} y={limit.y + 4} class="growth-tick">
        {limit.text}
      </text>
      <path class="growth-band" d={band} />
      <path class="growth-ahead" d={ahead} />
      <path class="growth-line" d={line} />
      {bottom.map((tick, at) => (
        <text
          key={tick.text}
          x={tick.x}
          y={height - 3}
          class={at ? "growth-step last" : "growth-step"}
        >
          {at ? `step ${tick.text}` : tick.text}
        </text>
      ))}
    </svg>
  );
}

/** Scores on training batches, and where their pace leads. */
export function Growths({
  found,
  trust,
}: {
  readonly found: readonly Growth[];
  readonly trust: string;
}) {
  return found.length > 0 ? (
    <section aria-label="Growth on training batches">
      <h2>Growth on training batches</h2>
      {found.map((growth) => (
        <div key={growth.part} class="alarm" data-growth={growth.part}>
          <Verdict lead={`${partTitle(growth.part)}.`} raised={growth.fired !== null}>
            {growth.sentence}
            {growth.fired !== null && ` First told at step ${growth.fired}.`}
          </Verdict>
          <Picture growth={growth} />
        </div>
      ))}
      <p class="note">{trust}</p>
    </section>
  ) : null;
}
