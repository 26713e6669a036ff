// A server in memory for tests of what the tab asks and shows.
import type { AttentionQuery, DataSource } from "../../src/api/source";
import type { Maps } from "../../src/core/maps";
import type { Run, StepEntry } from "../../src/core/recording";

const step = (at: number): StepEntry => ({
  step: at,
  epoch: at / 10,
  maps: true,
  v: `s.${at}`,
  scalars: {},
});

export const WORDS = { text: ["[CLS]", "a"], special: [0] };

export function recording(name: string, steps: number[], words = WORDS): Run {
  const layer = { name: "l", heads: 1, evidence: "model", error: null } as const;
  const part = {
    name: "encoder",
    kind: "self",
    causal: false,
    layers: [layer],
    uniform: [],
  } as const;
  return {
    name,
    session: "s",
    version: `${name} ${steps.length}`,
    parts: [part],
    metrics: [],
    probes: [{ index: 0, split: "val", source: words, target: null }],
    steps: steps.map(step),
    options: {},
    problems: [],
  };
}

/** A server in memory: the runs it holds can grow, and requests can be made to fail. */
export class Server implements DataSource {
  runs: Run[] = [];
  asked: AttentionQuery[] = [];
  indexCalls = 0;
  broken = false;

  async index() {
    this.indexCalls += 1;
    if (this.broken || this.failing.has("index")) {
      throw this.broken ? new TypeError("connection refused") : new Error("no index");
    }
    const runs = this.runs.map(({ name, version, steps }) => ({
      name,
      version,
      steps: steps.length,
      state: "ok" as const,
      message: null,
    }));
    return { version: JSON.stringify(runs), runs, notice: null };
  }

  async run(name: string): Promise<Run> {
    await this.answer(`run ${name}`);
    const found = this.runs.find((run) => run.name === name);
    if (!found) {
      throw new Error(`no run ${name}`);
    }
    return found;
  }

  async attention(query: AttentionQuery): Promise<Maps> {
    this.asked.push(query);
    if (this.broken || this.failing.has("attention")) {
      throw new Error(this.broken ? "the disk is gone" : "no attention");
    }
    const data = Float32Array.from([1, 0, 0.5, 0.5]);
    return { data, layers: 1, heads: 1, queries: 2, keys: 2 };
  }

  /** Answers that say only what was asked; the tab keeps them as they are. */
  private async answer(kind: string): Promise<never> {
    this.kinds.push(kind);
    if (this.broken || this.failing.has(kind)) {
      throw this.broken ? new TypeError("Failed to fetch") : new Error(`no ${kind}`);
    }
    return { kind } as never;
  }

  kinds: string[] = [];
  failing = new Set<string>();
  piles = () => this.answer("piles");
  classes = () => this.answer("classes");
  lens = () => this.answer("lens");
  elbow = () => this.answer("elbow");
  overTime = () => this.answer("overTime");
  joint = () => this.answer("joint");
  curves = () => this.answer("curves");
  signals = () => this.answer("signals");
  redundancy = () => this.answer("redundancy");
  metrics = ({ of }: { of: number | string }) =>
    this.answer(typeof of === "number" ? "series" : "splits");
}
