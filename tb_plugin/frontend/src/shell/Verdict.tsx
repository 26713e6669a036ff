import type { ComponentChildren } from "preact";

interface VerdictProps {
  readonly lead: string;
  readonly raised: boolean;
  readonly children: ComponentChildren;
}

/** One sentence on a ground of its own: warm when something is raised, else grey. */
export function Verdict({ lead, raised, children }: VerdictProps) {
  return (
    <div class={raised ? "verdict raised" : "verdict"}>
      <b>{lead}</b> {children}
    </div>
  );
}
