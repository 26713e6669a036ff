// Long texts and deep models: what is shown of them, and how to move on.
import { computed } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { axesOf, coarseMarks, keptTokens } from "../core/recording";
import {
  FIRST_LAYERS,
  LENGTHS,
  MOST_MARKS,
  mergeOf,
  movedRange,
  type Range,
  rangeText,
  sizeOf,
  type TokenWindow,
  WHOLE_MARKS,
  WHOLE_TOKENS,
} from "../core/window";
import { shownLinks } from "../layout/network/shown_links";
import { percent, thousands } from "../scale/format";
import { evenMaps } from "../state/derived/even_maps";
import { cut, layerViews, maps, part, probe, select, shown, view } from "../state/store";

/** Tokens along the longer axis of the shown sentence, and how many of them have maps. */
const longest = computed(() => {
  if (!part.value || !probe.value) {
    return { all: 0, kept: 0 };
  }
  const { query, key } = axesOf(part.value, probe.value);
  const all = Math.max(query.text.length, key.text.length);
  return { all, kept: keptTokens(probe.value, all) };
});

/** Tokens to a mark where nothing finer was recorded. */
const coarse = computed(() =>
  part.value && probe.value ? coarseMarks(part.value, probe.value) : null,
);

const depth = computed(() => part.value?.layers.length ?? 0);

const links = computed(() => {
  const now = shown.value;
  return now && maps.value && view.value.tab === "network"
    ? shownLinks(
        maps.value,
        now.cut.layers,
        now.part.layers.map(({ heads }) => heads),
        layerViews.value,
        evenMaps.value,
      )
    : null;
});

/** The shown stretch of the longer axis. */
const textRange = ({ query, key }: { query: Range; key: Range }): Range =>
  sizeOf(query) > sizeOf(key) || query.stop > key.stop ? query : key;

/** Marks are other tokens after a move, so what was held by its place is released. */
const moveText = (next: TokenWindow): void => select({ tokens: next, pin: null, lock: null });

interface PagerProps {
  readonly what: string;
  readonly range: Range;
  readonly of: number;
  readonly onMove: (start: number) => void;
  readonly children?: ComponentChildren;
}

/** One window back, any place, one window on. */
function Pager({ what, range, of, onMove, children }: PagerProps) {
  return (
    <span class="pager">
      <button
        type="button"
        class="button"
        aria-label={`Earlier ${what}`}
        disabled={range.start === 0}
        onClick={() => onMove(movedRange(range, -1, of))}
      >
        ‹
      </button>
      <input
        type="range"
        min={0}
        max={Math.max(0, of - sizeOf(range))}
        step={1}
        value={range.start}
        disabled={sizeOf(range) >= of}
        aria-label={`First of the shown ${what}`}
        aria-valuetext={`${what} ${rangeText(range, of)}`}
        onInput={(event) => onMove(event.currentTarget.valueAsNumber)}
      />
      <button
        type="button"
        class="button"
        aria-label={`Later ${what}`}
        disabled={range.stop >= of}
        onClick={() => onMove(movedRange(range, 1, of))}
      >
        ›
      </button>
      <span class="pager-text">{`${what} ${rangeText(range, of)}`}</span>
      {children}
    </span>
  );
}

/** How long the window is; or the whole text, some tokens to a mark. */
function LengthChoice({ range, of }: { readonly range: Range; readonly of: number }) {
  const merge = mergeOf(view.value.tokens);
  const wholeMerge = Math.ceil(of / WHOLE_MARKS);
  const offered = LENGTHS.filter((length) => length < of);
  const choose = (text: string): void =>
    text === "whole"
      ? moveText({ start: 0, length: of, merge: wholeMerge })
      : moveText({ start: range.start, length: Number(text), merge: 1 });
  return (
    <select
      class="select"
      aria-label="Tokens shown at once"
      value={merge > 1 ? "whole" : String(sizeOf(range))}
      onChange={(event) => choose(event.currentTarget.value)}
    >
      {!offered.some((length) => length === sizeOf(range)) && merge === 1 && (
        <option value={String(sizeOf(range))}>{sizeOf(range)} at once</option>
      )}
      {offered.map((length) => (
        <option key={length} value={String(length)}>
          {length} at once
        </option>
      ))}
      {of > MOST_MARKS && <option value="whole">{`whole text, ${wholeMerge} to a mark`}</option>}
    </select>
  );
}

function LinksNote() {
  const found = links.value;
  return found ? (
    <span class="note">
      {`strongest ${thousands(found.drawn)} of ${thousands(found.total)} links, ${percent(found.share)} of attention`}
    </span>
  ) : null;
}

/** What is shown of a text or a model too large to show whole; nothing where all of it is. */
export function WindowBar() {
  const now = cut.value;
  const short = longest.value.all <= WHOLE_TOKENS && coarse.value === null;
  if (!now || (short && depth.value <= FIRST_LAYERS)) {
    return null;
  }
  const text = textRange(now);
  const long =
    longest.value.kept > WHOLE_TOKENS ||
    longest.value.kept < longest.value.all ||
    view.value.tokens !== null;
  const deep = sizeOf(now.layers) < depth.value || view.value.depth !== null;
  if (!long && !deep && coarse.value === null) {
    return null;
  }
  const merge = mergeOf(view.value.tokens);
  return (
    <section class="window-bar" aria-label="What is shown of this text and model">
      {coarse.value !== null && (
        <span class="note" role="status">
          {`coarse maps of all ${longest.value.all} tokens, ${coarse.value} to a mark: too long for budget_mb`}
        </span>
      )}
      {long && coarse.value === null && (
        <Pager
          what="tokens"
          range={text}
          of={longest.value.kept}
          onMove={(start) => moveText({ start, length: sizeOf(text), merge })}
        >
          <LengthChoice range={text} of={longest.value.kept} />
          {longest.value.kept < longest.value.all && (
            <span class="note">{`first ${longest.value.kept} of ${longest.value.all} recorded`}</span>
          )}
        </Pager>
      )}
      {deep && (
        <Pager
          what="layers"
          range={now.layers}
          of={depth.value}
          onMove={(start) => select({ depth: { start, length: sizeOf(now.layers) }, lock: null })}
        />
      )}
      <span class="grow" />
      <LinksNote />
    </section>
  );
}
