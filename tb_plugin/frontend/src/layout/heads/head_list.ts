// All heads in one list, by a metric at A or B, by its change, or by how much the maps changed.
import { type Series, seriesValue } from "../../core/maps";
import { compareNumbers } from "../../core/order";
import type { HeadId } from "../../core/recording";
import type { RankedHead } from "./change";

/** By what heads are listed: their place, the metric at A or at B, its difference, the maps' change. */
export const LIST_KEYS = ["head", "a", "b", "delta", "change"] as const;
export type ListKey = (typeof LIST_KEYS)[number];

export interface ListOrder {
  readonly key: ListKey;
  readonly down: boolean;
}

export interface ListedHead extends HeadId {
  readonly a: number;
  readonly b: number;
  /** A − B. */
  readonly delta: number;
  /** Mean row Jensen–Shannon distance between the maps at A and B; NaN where none are compared. */
  readonly change: number;
}

export interface ListSource {
  readonly headsPerLayer: readonly number[];
  readonly series: Series | null;
  readonly metric: number;
  /** Positions of A and B among the steps of the series; −1 where they are not. */
  readonly a: number;
  readonly b: number;
  readonly ranking: readonly RankedHead[];
  /** B's own series where B lies in another run. */
  readonly reference: {
    readonly series: Series;
    readonly metric: number;
    readonly step: number;
  } | null;
}

export function listedHeads(source: ListSource): ListedHead[] {
  const { series, metric } = source;
  const changes = new Map(
    source.ranking.map(({ layer, head, change }) => [`${layer}.${head}`, change]),
  );
  const value = (step: number, layer: number, head: number): number =>
    series && step >= 0 && metric >= 0
      ? seriesValue(series, step, layer, head, metric)
      : Number.NaN;
  const before = (layer: number, head: number): number => {
    const other = source.reference;
    if (!other) {
      return value(source.b, layer, head);
    }
    const there = layer < other.series.layers && head < other.series.heads;
    return there ? seriesValue(other.series, other.step, layer, head, other.metric) : Number.NaN;
  };
  return source.headsPerLayer.flatMap((heads, layer) =>
    Array.from({ length: heads }, (_, head) => {
      const [a, b] = [value(source.a, layer, head), before(layer, head)];
      const change = changes.get(`${layer}.${head}`) ?? Number.NaN;
      return { layer, head, a, b, delta: a - b, change };
    }),
  );
}

/** In the order asked for; undefined values come last either way, equal ones by layer and head. */
export function sortedList(heads: readonly ListedHead[], { key, down }: ListOrder): ListedHead[] {
  const place = ({ layer, head }: HeadId): number => layer * 1e4 + head;
  const keyed = (head: ListedHead): number => (key === "head" ? place(head) : head[key]);
  return [...heads].sort(
    (one, other) => compareNumbers(keyed(one), keyed(other), down) || place(one) - place(other),
  );
}

/** The order after a click on a column: the other way round, or the way that column begins. */
export const nextOrder = (order: ListOrder, key: ListKey): ListOrder =>
  order.key === key ? { key, down: !order.down } : { key, down: key !== "head" };
