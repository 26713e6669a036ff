// Where the tab's data come from. The HTTP source is one; an offline file can be another.
import type { Elbow, Lens } from "../core/lens";
import type { Maps, Series } from "../core/maps";
import type { Piles, Run, RunIndex } from "../core/recording";
import { decodeMaps, decodeSeries } from "./frame";

export interface AttentionQuery {
  readonly run: string;
  /** The step's `v`: lets the browser keep the reply, and tells attempts at a step apart. */
  readonly version: string;
  readonly step: number;
  readonly part: string;
  readonly probe: number;
}

export interface MetricsQuery {
  readonly run: string;
  readonly part: string;
  /** One probe by its index, or the mean over a split's probes. */
  readonly of: number | "val" | "train";
}

export interface PilesQuery {
  readonly run: string;
  readonly step: number;
  readonly version: string;
  readonly part: string;
}

export interface LensQuery extends PilesQuery {
  readonly layer: number;
  readonly head: number;
  readonly clusters: number;
}

export interface DataSource {
  index(signal: AbortSignal): Promise<RunIndex>;
  run(name: string, signal: AbortSignal): Promise<Run>;
  attention(query: AttentionQuery, signal: AbortSignal): Promise<Maps>;
  metrics(query: MetricsQuery, signal: AbortSignal): Promise<Series>;
  piles(query: PilesQuery, signal: AbortSignal): Promise<Piles>;
  lens(query: LensQuery, signal: AbortSignal): Promise<Lens>;
  elbow(query: LensQuery, signal: AbortSignal): Promise<Elbow>;
}

/** A request the server answered with an error; the message is the server's own sentence. */
export class ServerError extends Error {
  override readonly name = "ServerError";

  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

async function request(path: string, signal: AbortSignal): Promise<Response> {
  const reply = await fetch(path, { signal });
  if (!reply.ok) {
    const text = (await reply.text()).slice(0, 500);
    throw new ServerError(reply.status, text || `the server answered ${reply.status}`);
  }
  return reply;
}

const query = (parameters: Record<string, string | number>): string =>
  new URLSearchParams(
    Object.entries(parameters).map(([key, value]): [string, string] => [key, String(value)]),
  ).toString();

const lensParameters = ({ run, step, version, part, layer, head, clusters }: LensQuery): string =>
  query({ run, step, part, layer, head, k: clusters, v: version });

/** The plugin's own routes, relative to the page so that any path prefix works. */
export function httpSource(base = "./"): DataSource {
  return {
    index: async (signal) => (await request(`${base}index`, signal)).json(),
    run: async (name, signal) =>
      (await request(`${base}run?${query({ run: name })}`, signal)).json(),
    attention: async ({ run, step, version, part, probe }, signal) => {
      const path = `${base}attention?${query({ run, step, part, probe, v: version })}`;
      return decodeMaps(await (await request(path, signal)).arrayBuffer());
    },
    piles: async ({ run, step, version, part }, signal) =>
      (await request(`${base}piles?${query({ run, step, part, v: version })}`, signal)).json(),
    lens: async (asked, signal) =>
      (await request(`${base}lens?${lensParameters(asked)}`, signal)).json(),
    elbow: async (asked, signal) =>
      (await request(`${base}elbow?${lensParameters(asked)}`, signal)).json(),
    metrics: async ({ run, part, of }, signal) => {
      const which = typeof of === "number" ? { probe: of } : { split: of };
      const path = `${base}metrics?${query({ run, part, ...which })}`;
      return decodeSeries(await (await request(path, signal)).arrayBuffer());
    },
  };
}
