// What HeadLens shows, as one short text, and back.
import type { LensTable } from "../core/headlens";
import { decode, type Pairs, type Said } from "./url_codes";
import type { LensState } from "./view_state";

const TABLE_CODES: Readonly<Record<LensTable, string>> = { products: "r", centred: "c", mass: "a" };

/** "2.0~16r"; with a chosen cell "2.0~16r~3.7", a value cluster "~v5", words as a cloud "~c". */
function writeLens({ layer, head, clusters, table, cell, value, words }: LensState): string {
  const chosen = cell ? `~${cell.query}.${cell.key}` : "";
  const carried = value === null ? "" : `~v${value}`;
  const form = words === "cloud" ? "~c" : "";
  return `${layer}.${head}~${clusters}${TABLE_CODES[table]}${chosen}${carried}${form}`;
}

const LENS =
  /^(\d{1,4})\.(\d{1,4})~(\d{1,2})([a-z])(?:~(\d{1,2})\.(\d{1,2}))?(?:~v(\d{1,2}))?(~c)?$/;

function readLens(text: string | undefined): LensState | null {
  const [, layer, head, clusters, code = "", query, key, value, cloud] =
    LENS.exec(text ?? "") ?? [];
  const table = decode(TABLE_CODES, code);
  return table
    ? {
        layer: Number(layer),
        head: Number(head),
        clusters: Math.max(2, Math.min(64, Number(clusters))),
        table,
        cell: query === undefined ? null : { query: Number(query), key: Number(key) },
        value: value === undefined ? null : Number(value),
        words: cloud ? "cloud" : "bars",
      }
    : null;
}

export const lensPairs = (lens: LensState | null): Said => ({
  lens: lens ? writeLens(lens) : null,
});

export const readLensPairs = (pairs: Pairs): LensState | null => readLens(pairs.lens);
