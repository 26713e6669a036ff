// Sankey panels: one link per (query, key) pair whose mean weight passes the layer's cut.
import { linkHorizontal } from "d3-shape";
import type { Axis } from "../../core/axis";
import { at, type Matrix } from "../../core/maps";
import type { Fate, LinkCut, PinnedToken } from "../../core/selection";
import { DEFAULT_CUT } from "../../layout/network/layer_view";
import {
  compareLinks,
  type Link,
  type LinkPath,
  type LinkSelection,
  placeLinks,
  selectLinks,
  sinkKeys,
} from "../../layout/network/links";
import type { LayerNumbers } from "../../layout/network/network_numbers";
import { fateText, fixed, percent, signed, thousands } from "../../scale/format";
import { meanOf, tokenText } from "../../scale/text";
import { html, setText, svg } from "../dom";
import type { TipLine, Tooltip } from "../tooltip";
import { evenOf, headsOf, type NetworkFrame } from "./network_props";
import { placePanel } from "./panel";

/** A change of a link below this is drawn as no change. */
const KEPT = 0.03;
const NO_MEAN = "a head gave NaN: no mean";

interface Drawn extends LinkPath {
  readonly fate: Fate | null;
  /** The key's weight is mostly a sink: pale, underneath. */
  readonly quiet: boolean;
  readonly lit: boolean | null;
  readonly value: number;
  readonly before: number | null;
}

export interface SankeyPanel {
  update(frame: NetworkFrame, numbers: LayerNumbers, before: LayerNumbers | null): void;
  destroy(): void;
}

const curve = linkHorizontal<
  unknown,
  { source: [number, number]; target: [number, number] },
  [number, number]
>()
  .source((link) => link.source)
  .target((link) => link.target);

export function createSankey(
  links: SVGGElement,
  host: HTMLElement,
  layer: number,
  tooltip: Tooltip,
): SankeyPanel {
  const root = svg("g", { class: "links", role: "group" });
  const note = html("p", { class: "link-note" });
  const noteFrame = html("div", { class: "panel link-panel" }, note);
  links.append(root);
  host.append(noteFrame);
  let frame: NetworkFrame | null = null;
  const nodes: LinkNode[] = [];
  let drawnLinks: readonly Drawn[] = [];
  const linkOf = ({ target }: Event): Drawn | null =>
    drawnLinks[nodes.findIndex(({ path }) => path === target)] ?? null;

  const show = (event: PointerEvent): void => {
    const drawn = linkOf(event);
    if (frame && drawn) {
      tooltip.show(event, describe(drawn, frame, layer));
    } else {
      tooltip.hide();
    }
  };
  root.addEventListener("pointermove", show);
  root.addEventListener("pointerleave", () => tooltip.hide());
  root.addEventListener("click", (event) => {
    const drawn = linkOf(event);
    if (frame && drawn) {
      const { pin } = frame.props;
      const same = pin?.axis === "key" && pin.index === drawn.key;
      frame.props.onPin(same ? null : { axis: "key", index: drawn.key });
    }
  });

  return {
    update(next, numbers, before) {
      frame = next;
      const picked = pick(numbers, before, cutOf(next, layer), evenOf(next.props, layer));
      const held = next.hovered ?? next.props.pin ?? lockedToken(next, layer);
      const links = held ? withAllOf(held, picked.links, numbers, before) : picked.links;
      drawnLinks = decorate(next, layer, links, numbers, before);
      drawLinks(root, nodes, next, layer, drawnLinks);
      root.setAttribute("aria-label", `Links of layer ${layer + 1}, ${next.props.label}`);
      placePanel(noteFrame, next, layer);
      setText(note, picked.note);
      noteFrame.classList.toggle("empty", picked.links.length === 0);
    },
    destroy() {
      tooltip.hide();
      root.remove();
      noteFrame.remove();
    },
  };
}

const cutOf = (frame: NetworkFrame, layer: number): LinkCut =>
  frame.props.layers[layer]?.cut ?? DEFAULT_CUT;

interface Picked {
  readonly links: readonly (Link & { readonly fate?: Fate })[];
  readonly note: string;
}

/** The links to draw and the sentence about them. */
function pick(
  numbers: LayerNumbers,
  before: LayerNumbers | null,
  cut: LinkCut,
  even: Matrix,
): Picked {
  if (before === null) {
    const selection = selectLinks(numbers.mean, cut, even);
    return { links: selection.links, note: noteOf(selection, numbers.mean) };
  }
  const { links, counts, total } = compareLinks(numbers.mean, before.mean, cut, even);
  const share = `${thousands(links.length)} of ${thousands(total)} links`;
  const undefinedMean = [numbers, before].some(({ mean }) => mean.data.some(Number.isNaN));
  return {
    links,
    note: `${share}\n${counts.born} born · ${counts.lost} lost\n${undefinedMean ? NO_MEAN : `${counts.kept} kept`}`,
  };
}

/** All links of the held word, whatever the cut, among those that pass it. */
function withAllOf(
  held: PinnedToken,
  picked: Picked["links"],
  { mean }: LayerNumbers,
  before: LayerNumbers | null,
): Picked["links"] {
  const others = picked.filter((link) => link[held.axis] !== held.index);
  const known = new Map(
    picked
      .filter((link) => link[held.axis] === held.index)
      .map((link) => [`${link.query}-${link.key}`, link]),
  );
  const count = held.axis === "key" ? mean.rows : mean.cols;
  const own = Array.from({ length: count }, (_, other) => {
    const [query, key] = held.axis === "key" ? [other, held.index] : [held.index, other];
    const weight = Math.max(at(mean, query, key), before ? at(before.mean, query, key) : 0);
    return known.get(`${query}-${key}`) ?? { query, key, weight };
  });
  return [...others, ...own.filter(({ weight }) => weight > 0)].sort(
    (a, b) => a.query - b.query || a.key - b.key,
  );
}

function decorate(
  frame: NetworkFrame,
  layer: number,
  links: Picked["links"],
  numbers: LayerNumbers,
  before: LayerNumbers | null,
): Drawn[] {
  const { geometry, props } = frame;
  const held = frame.hovered ?? props.pin ?? lockedToken(frame, layer);
  const sinks = sinkKeys(links, evenOf(props, layer));
  const paths = placeLinks(links, {
    top: geometry.bodyTop,
    queryRow: geometry.queryRow,
    keyRow: geometry.keyRow,
    gap: geometry.rowGap,
  });
  return paths
    .map((path, index) => ({
      ...path,
      fate: links[index]?.fate ?? null,
      quiet: sinks.has(path.key) || (props.key[path.key]?.special ?? false),
      lit: held === null ? null : path[held.axis] === held.index,
      value: at(numbers.mean, path.query, path.key),
      before: before === null ? null : at(before.mean, path.query, path.key),
    }))
    .sort((a, b) => Number(b.quiet) - Number(a.quiet) || a.weight - b.weight);
}

/** While a head is held open at a token, that token's links are lit in its layer. */
function lockedToken(frame: NetworkFrame, layer: number): { axis: "key"; index: number } | null {
  const { lock } = frame.props;
  return lock && lock.layer === layer && lock.key !== null
    ? { axis: "key", index: lock.key }
    : null;
}

/** A path, and the attributes that were last set: asking the page for them costs as much as setting. */
interface LinkNode {
  readonly path: SVGPathElement;
  readonly said: Map<string, string>;
}

/** Nodes are used again for other links: making and moving them costs more than changing them. */
function drawLinks(
  root: SVGGElement,
  nodes: LinkNode[],
  frame: NetworkFrame,
  layer: number,
  links: readonly Drawn[],
): void {
  const { geometry, props } = frame;
  const panel = geometry.panels[layer];
  const left = (panel?.x ?? 0) + 1;
  const right = left + geometry.panelWidth - 2;
  for (const { path } of nodes.splice(links.length)) {
    path.remove();
  }
  links.forEach((link, place) => {
    const node = nodes[place] ?? {
      path: svg("path", { role: "img", "data-layer": layer }),
      said: new Map<string, string>(),
    };
    const say = (name: string, value: string): void => {
      if (node.said.get(name) !== value) {
        node.said.set(name, value);
        node.path.setAttribute(name, value);
      }
    };
    say("class", `link ${tone(link)}`);
    say("d", curve({ source: [left, link.y0], target: [right, link.y1] }) ?? "");
    say("stroke-width", link.width.toFixed(2));
    say("data-query", String(recorded(props.query, link.query)));
    say("data-key", String(recorded(props.key, link.key)));
    say("data-weight", String(link.value));
    say("aria-label", sentence(link, frame));
    if (place === nodes.length) {
      nodes.push(node);
      root.append(node.path);
    }
  });
}

const recorded = (axis: Axis, index: number): number => axis[index]?.members[0] ?? index;

function tone({ before, fate, lit, quiet, value }: Drawn): string {
  const light = lit === null ? "" : lit ? " lit" : " dim";
  if (before === null) {
    return `${quiet && lit === null ? "quiet" : "plain"}${light}`;
  }
  const change = value - before;
  const kind = change > KEPT ? "more" : change < -KEPT ? "less" : "same";
  return `${kind} ${fate ?? ""}${quiet && lit === null ? " sink" : ""}${light}`;
}

const word = (axis: Axis, index: number): string => tokenText(axis[index]?.text ?? "");

function sentence(link: Drawn, { props }: NetworkFrame): string {
  return `${word(props.key, link.key)} to ${word(props.query, link.query)}, weight ${fixed(link.value, 3)}`;
}

function describe(link: Drawn, frame: NetworkFrame, layer: number): TipLine[] {
  const { props } = frame;
  const heads = headsOf(props, layer);
  const lines: TipLine[] = [
    { text: `${word(props.key, link.key)} → ${word(props.query, link.query)}`, tone: "strong" },
  ];
  if (link.before === null) {
    const even = at(evenOf(props, layer), link.query, link.key);
    const times = even > 0 ? ` · ${fixed(link.value / even, 1)} × even` : "";
    lines.push({ text: `weight ${fixed(link.value, 4)}${times}, ${meanOf(heads)}` });
  } else {
    lines.push({ text: `A ${fixed(link.value, 4)} · B ${fixed(link.before, 4)}` });
    lines.push({ text: `change ${signed(link.value - link.before, 4)}, ${meanOf(heads)}` });
    lines.push({ text: fateText(link.fate ?? "kept"), tone: "quiet" });
  }
  lines.push({ text: "left: key, attended to · right: query", tone: "quiet" });
  return lines;
}

/** "28 of 225 links, 65 % of attention", or how strong a link would have to be. */
function noteOf(selection: LinkSelection, mean: Matrix): string {
  const count = `${thousands(selection.links.length)} of ${thousands(selection.total)} links`;
  if (mean.data.some(Number.isNaN)) {
    return `${count}\n${NO_MEAN}`;
  }
  if (selection.links.length === 0) {
    return `${count}\nstrongest ${fixed(
      mean.data.reduce((a, b) => Math.max(a, b), 0),
      3,
    )}`;
  }
  return `${count}\n${percent(selection.share)} of attention`;
}
