// Maps already fetched, requests on their way, and the neighbours worth fetching next.
import type { Maps } from "../core/maps";
import { ByteLru } from "./lru";
import type { AttentionQuery, DataSource } from "./source";

const CAPACITY = 96 * 1024 * 1024;

const keyOf = (query: AttentionQuery): string =>
  [
    query.run,
    query.step,
    query.version,
    query.part,
    query.probe,
    JSON.stringify(query.cut ?? null),
  ].join("\u0000");

export class AttentionCache {
  private readonly maps = new ByteLru<Maps>(CAPACITY);
  private readonly pending = new Map<string, Promise<Maps>>();

  constructor(private readonly source: DataSource) {}

  /** The maps if they are here, without asking. */
  peek(query: AttentionQuery): Maps | undefined {
    return this.maps.get(keyOf(query));
  }

  /** The maps, from memory or from the server; an aborted request rejects with an AbortError. */
  load(query: AttentionQuery, signal: AbortSignal): Promise<Maps> {
    const key = keyOf(query);
    const known = this.maps.get(key);
    if (known !== undefined) {
      return Promise.resolve(known);
    }
    // A prefetch on its way is awaited, not repeated; what it failed at is asked once more.
    const ask = (): Promise<Maps> => this.fetch(key, query, signal);
    return this.pending.get(key)?.catch(ask) ?? ask();
  }

  /** Fetch quietly what the next key press will ask for; failures are left to that press. */
  prefetch(queries: readonly AttentionQuery[]): void {
    for (const query of queries) {
      const key = keyOf(query);
      if (!this.maps.has(key) && !this.pending.has(key)) {
        const quiet = this.fetch(key, query, new AbortController().signal);
        this.pending.set(key, quiet);
        quiet.catch(() => undefined).finally(() => this.pending.delete(key));
      }
    }
  }

  private async fetch(key: string, query: AttentionQuery, signal: AbortSignal): Promise<Maps> {
    const maps = await this.source.attention(query, signal);
    this.maps.set(key, maps, maps.data.byteLength);
    return maps;
  }
}
