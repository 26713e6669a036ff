import { select, view } from "../state/store";
import type { GraphState } from "../state/view_state";

/** Change some of the graph's settings. */
export const changeGraph = (patch: Partial<GraphState>): void =>
  select({ graph: { ...view.peek().graph, ...patch } });
