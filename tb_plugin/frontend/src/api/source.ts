// What the tab asks for, and how it asks: the same words over HTTP and in an offline page.
import { type ClassAnswer, classAnswer } from "../core/class_answer";
import type { MapCut } from "../core/cut";
import type { Elbow, Lens } from "../core/headlens";
import type { MapOrigin, Maps, Series } from "../core/maps";
import type { Joint, OverTime } from "../core/over_time";
import type { HeadId, Piles, Run, RunIndex } from "../core/recording";
import type { Redundancy } from "../core/redundant_heads";
import type { Assessment, MetricCurves } from "../core/signals";
import { type Range, sizeOf } from "../core/window";
import { decodeMaps, decodeSeries } from "./frame";

export interface AttentionQuery {
  readonly run: string;
  /** The step's `v`: lets the browser keep the reply, and tells attempts at a step apart. */
  readonly version: string;
  readonly step: number;
  readonly part: string;
  readonly probe: number;
  /** Some rows, columns and layers; null or absent for all. A source may answer with more. */
  readonly cut?: MapCut | null;
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

/** Among which heads redundant and idle ones are sought. */
export type RedundancyQuery = PilesQuery;

export interface LensQuery extends PilesQuery {
  readonly layer: number;
  readonly head: number;
  readonly clusters: number;
}

export interface CurvesQuery {
  readonly run: string;
  readonly part: string;
  readonly metrics: readonly string[];
  /** Null for the mean over all heads. */
  readonly head: HeadId | null;
}

/** One head, whatever the step. */
export interface HeadQuery {
  readonly run: string;
  readonly part: string;
  readonly layer: number;
  readonly head: number;
}

export interface OverTimeQuery extends HeadQuery {
  readonly probe: number;
  /** Bits of divergence from which on a step starts a pile. */
  readonly cut: number;
}

export interface JointQuery extends HeadQuery {
  readonly step: number;
}

/** What one sentence was answered with at one step. */
export interface ClassesQuery {
  readonly run: string;
  readonly step: number;
  readonly version: string;
  readonly probe: number;
}

export interface DataSource {
  index(signal: AbortSignal): Promise<RunIndex>;
  run(name: string, signal: AbortSignal): Promise<Run>;
  attention(query: AttentionQuery, signal: AbortSignal): Promise<Maps>;
  metrics(query: MetricsQuery, signal: AbortSignal): Promise<Series>;
  piles(query: PilesQuery, signal: AbortSignal): Promise<Piles>;
  redundancy(query: RedundancyQuery, signal: AbortSignal): Promise<Redundancy>;
  classes(query: ClassesQuery, signal: AbortSignal): Promise<ClassAnswer>;
  lens(query: LensQuery, signal: AbortSignal): Promise<Lens>;
  elbow(query: LensQuery, signal: AbortSignal): Promise<Elbow>;
  overTime(query: OverTimeQuery, signal: AbortSignal): Promise<OverTime>;
  joint(query: JointQuery, signal: AbortSignal): Promise<Joint>;
  curves(query: CurvesQuery, signal: AbortSignal): Promise<MetricCurves>;
  signals(run: string, signal: AbortSignal): Promise<Assessment>;
}

/** Answers one question in the words of tb_plugin/http_api.md, such as "run?run=airline". */
export type Ask = (question: string, signal: AbortSignal) => Promise<ArrayBuffer>;

const text = new TextDecoder();

/** A source that asks in the words of tb_plugin/http_api.md, whoever answers. */
export function dataSource(ask: Ask): DataSource {
  const bytes = (route: string, parameters: Parameters, signal: AbortSignal) =>
    ask(`${route}?${new URLSearchParams(toTexts(parameters))}`, signal);
  const json = async (route: string, parameters: Parameters, signal: AbortSignal) =>
    JSON.parse(text.decode(await bytes(route, parameters, signal)));
  return {
    index: (signal) => json("index", {}, signal),
    run: (run, signal) => json("run", { run }, signal),
    attention: async ({ run, step, version, part, probe, cut }, signal) => {
      const parameters = { run, step, part, probe, ...(cut ? cutParameters(cut) : {}), v: version };
      const maps = decodeMaps(await bytes("attention", parameters, signal));
      return cut && isCutLike(maps, cut) ? { ...maps, from: originOf(cut) } : maps;
    },
    metrics: async ({ run, part, of }, signal) => {
      const which = typeof of === "number" ? { probe: of } : { split: of };
      return decodeSeries(await bytes("metrics", { run, part, ...which }, signal));
    },
    classes: async ({ run, step, version, probe }, signal) =>
      classAnswer(await json("classes", { run, step, probe, v: version }, signal)),
    piles: ({ run, step, version, part }, signal) =>
      json("piles", { run, step, part, v: version }, signal),
    redundancy: ({ run, step, version, part }, signal) =>
      json("redundancy", { run, step, part, v: version }, signal),
    lens: (asked, signal) => json("lens", lensParameters(asked), signal),
    elbow: (asked, signal) => json("elbow", lensParameters(asked), signal),
    overTime: ({ run, part, layer, head, probe, cut }, signal) => {
      const asked = { run, part, layer, head, probe, cut: Math.round(1000 * cut) };
      return json("over_time", asked, signal);
    },
    joint: ({ run, part, layer, head, step }, signal) =>
      json("joint", { run, part, layer, head, step }, signal),
    curves: ({ run, part, metrics, head }, signal) => {
      const which = head === null ? {} : { layer: head.layer, head: head.head };
      return json("curves", { run, part, metrics: metrics.join(","), ...which }, signal);
    },
    signals: (run, signal) => json("signals", { run }, signal),
  };
}

type Parameters = Readonly<Record<string, string | number>>;

const toTexts = (parameters: Parameters): [string, string][] =>
  Object.entries(parameters).map(([name, value]) => [name, String(value)]);

const lensParameters = ({ run, step, version, part, layer, head, clusters }: LensQuery) => ({
  run,
  step,
  part,
  layer,
  head,
  k: clusters,
  v: version,
});

const rangeText = ({ start, stop }: Range): string => `${start}:${stop}`;

function cutParameters({ query: rows, key, layers, merge }: MapCut): Parameters {
  const wanted = Array.from({ length: sizeOf(layers) }, (_, at) => layers.start + at);
  return {
    layers: wanted.join(","),
    rows: rangeText(rows),
    keys: rangeText(key),
    ...(merge > 1 ? { merge } : {}),
  };
}

/** An offline page answers with whole maps, whatever rectangle was asked for. */
const isCutLike = (maps: Maps, { query, key, layers, merge }: MapCut): boolean =>
  maps.layers === sizeOf(layers) &&
  maps.queries === Math.ceil(sizeOf(query) / merge) &&
  maps.keys === Math.ceil(sizeOf(key) / merge);

const originOf = ({ query: rows, key, layers, merge }: MapCut): MapOrigin => ({
  layer: layers.start,
  query: rows.start,
  key: key.start,
  merge,
});
