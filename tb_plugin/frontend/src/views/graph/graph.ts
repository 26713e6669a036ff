// The multi-planar graph of CS559: one plane per layer, one node per token.
import {
  type Camera,
  FIRST_CAMERA,
  type Gap,
  moved,
  turned,
  zoomed,
} from "../../layout/graph/camera";
import { classColour, classWidth } from "../../layout/graph/edge_style";
import { planeOf, planeRings, ringAxis, ringCount, sideOf } from "../../layout/graph/graph_rings";
import { groupTitle } from "../../layout/graph/layer_groups";
import { projection } from "../../layout/graph/projection";
import type { Spot } from "../../layout/graph/seats";
import { CLASSES, type Norm } from "../../layout/graph/token_graph";
import { fateText, fixed, orNaN, signed } from "../../scale/format";
import { tokenText } from "../../scale/text";
import { html, svg } from "../dom";
import { createTooltip, type TipLine } from "../tooltip";
import type { View } from "../view";
import type { Colours, GraphProps, Hit } from "./graph_props";
import { paintGraph, strengths } from "./paint";
import { namesRoom } from "./paint_labels";

const REACH = 11;
const STILL = 4;
const WHEEL = 0.0016;
const KEY_ZOOM = 1.25;

export function createGraph(host: HTMLElement): View<GraphProps> {
  const canvas = html("canvas", { class: "graph-canvas", role: "img", tabindex: 0 });
  const legend = svg("svg", { class: "graph-legend", "aria-hidden": "true", height: 40 });
  const hint = html("p", { class: "note graph-hint" });
  const root = html("div", { class: "graph" }, canvas, legend, hint);
  host.append(root);
  const tooltip = createTooltip(root);
  let props: GraphProps | null = null;
  let hits: Hit[] = [];
  let drag: { x: number; y: number; camera: Camera; moved: number; turns: boolean } | null = null;

  const paint = (): void => {
    if (props) {
      const { found, pitch } = paintCanvas(canvas, props);
      hits = found;
      drawLegend(legend, props, pitch);
    }
  };
  const hitAt = (event: MouseEvent): Hit | null => {
    const box = canvas.getBoundingClientRect();
    return nearest(hits, event.clientX - box.left, event.clientY - box.top);
  };
  const zoomBy = (factor: number, pointer: Gap): void =>
    props?.onCamera(zoomed(props.camera, factor, pointer));

  canvas.addEventListener("pointerdown", (event) => {
    if (props) {
      canvas.setPointerCapture(event.pointerId);
      const turns = props.camera.zoom <= 1 !== (event.shiftKey || event.button === 2);
      drag = { x: event.clientX, y: event.clientY, camera: props.camera, moved: 0, turns };
    }
  });
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("pointermove", (event) => {
    if (drag && props) {
      drag.moved += Math.abs(event.movementX) + Math.abs(event.movementY);
      const way = { x: event.clientX - drag.x, y: event.clientY - drag.y };
      tooltip.hide();
      if (drag.moved >= STILL) {
        props.onCamera(drag.turns ? turned(drag.camera, way) : moved(drag.camera, way));
      }
      return;
    }
    const hit = hitAt(event);
    if (hit && hit.kind !== "plane" && props) {
      tooltip.show(event, describe(props, hit));
    } else {
      tooltip.hide();
    }
  });
  canvas.addEventListener("pointerleave", () => tooltip.hide());
  canvas.addEventListener("pointerup", (event) => {
    const hit = drag && drag.moved < STILL ? hitAt(event) : null;
    drag = null;
    if (hit?.kind === "node") {
      props?.onNode({ layer: hit.layer, token: hit.token });
    } else if (hit?.kind === "edge") {
      const ring = props?.sentence.cross ? 2 * hit.layer + 1 : hit.layer;
      props?.onNode({ layer: ring, token: hit.edge.from });
    } else if (hit?.kind === "class") {
      props?.onClass(hit.index);
    } else if (hit?.kind === "plane" && props && hit.layer !== props.node.layer) {
      props.onNode({ layer: hit.layer, token: props.node.token });
    }
  });
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const { left, top, width, height } = canvas.getBoundingClientRect();
      zoomBy(Math.exp(-event.deltaY * WHEEL), {
        x: event.clientX - left - width / 2,
        y: event.clientY - top - height / 2,
      });
    },
    { passive: false },
  );
  canvas.addEventListener("dblclick", () => props?.onCamera(FIRST_CAMERA));
  canvas.addEventListener("keydown", (event) => {
    if (event.key === "0") {
      props?.onCamera(FIRST_CAMERA);
    } else if (event.key === "+" || event.key === "=" || event.key === "-") {
      zoomBy(event.key === "-" ? 1 / KEY_ZOOM : KEY_ZOOM, { x: 0, y: 0 });
    }
  });

  return {
    update(next) {
      props = next;
      const text = next.camera.zoom > 1 ? NEAR_HINT : HINT;
      canvas.setAttribute("aria-label", `Attention graph, ${next.label}. ${text}`);
      hint.textContent = text;
      paint();
    },
    destroy() {
      tooltip.destroy();
      root.remove();
    },
  };
}

const HINT = "Drag to turn, wheel to zoom, click a token or a plane; double-click or 0 resets.";
const NEAR_HINT = "Drag to move, shift and drag to turn, wheel to zoom; double-click or 0 resets.";

function coloursOf(canvas: HTMLCanvasElement): Colours {
  const style = getComputedStyle(canvas);
  const read = (name: string): string => style.getPropertyValue(name).trim();
  return {
    bg: read("--bg"),
    ink: read("--ink"),
    ink2: read("--ink2"),
    ink3: read("--ink3"),
    line2: read("--line2"),
    accent: read("--accent"),
    more: read("--more"),
    less: read("--less"),
    plane: read("--plane"),
    nan: read("--nan"),
  };
}

/** Also how far apart the tokens of the chosen ring stand. */
function paintCanvas(
  canvas: HTMLCanvasElement,
  props: GraphProps,
): { readonly found: Hit[]; readonly pitch: number } {
  const { width, height } = props.viewport;
  const sharpness = Math.max(2, window.devicePixelRatio);
  if (canvas.width !== width * sharpness || canvas.height !== height * sharpness) {
    canvas.width = width * sharpness;
    canvas.height = height * sharpness;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d");
  if (!context) {
    return { found: [], pitch: 1 };
  }
  context.setTransform(sharpness, 0, 0, sharpness, 0, 0);
  context.clearRect(0, 0, width, height);
  const { sentence, places, node } = props;
  const stage = {
    layers: ringCount(props.planes.length, sentence),
    tokens: (ring: number): number => ringAxis(ring, sentence).length,
    places: (ring: number) => places?.[ring] ?? null,
    classes: props.classes.length,
    focus: planeRings(node.layer, sentence),
    names: namesRoom(props),
  };
  const scene = projection(stage, props.viewport, props.camera);
  const found = paintGraph(context, props, scene, coloursOf(canvas));
  return { found, pitch: scene.pitch(node.layer) };
}

/** What lies nearest to a point; tokens win over edges, and both over planes. */
function nearest(hits: readonly Hit[], x: number, y: number): Hit | null {
  let best: Hit | null = null;
  let least = REACH;
  for (const hit of hits) {
    if (hit.kind === "plane") {
      best ??= isInside(hit.rim, x, y) ? hit : null;
      continue;
    }
    const gap = Math.hypot(hit.at.x - x, hit.at.y - y) - (hit.kind === "node" ? 3 : 0);
    if (gap < least) {
      best = hit;
      least = gap;
    }
  }
  return best;
}

/** Whether a point lies inside an outline: a ray from it crosses the outline an odd number of times. */
function isInside(rim: readonly Spot[], x: number, y: number): boolean {
  return rim.reduce((inside, from, at) => {
    const to = rim[(at + 1) % rim.length] ?? from;
    const crosses =
      from.y > y !== to.y > y && x < from.x + ((to.x - from.x) * (y - from.y)) / (to.y - from.y);
    return crosses ? !inside : inside;
  }, false);
}

function describe(props: GraphProps, hit: Exclude<Hit, { kind: "plane" }>): TipLine[] {
  const { sentence } = props;
  if (hit.kind === "class") {
    return describeClass(props, hit.index);
  }
  if (hit.kind === "node") {
    const { text = "" } = ringAxis(hit.layer, sentence)[hit.token] ?? {};
    const layers = props.planes[planeOf(hit.layer, sentence)]?.layers;
    const where = layers ? groupTitle(layers).toLowerCase() : "";
    const side = sentence.cross
      ? sideOf(hit.layer, sentence) === "key"
        ? "source, "
        : "target, "
      : "";
    return [
      { text: `${tokenText(text)} · ${side}${where}`, tone: "strong" },
      { text: "click to select", tone: "quiet" },
    ];
  }
  const { edge, layer } = hit;
  const one = props.rule.pair === "directed" || sentence.cross;
  const joint = one ? "→" : "–";
  const from = tokenText(sentence.query[edge.from]?.text ?? "");
  const to = tokenText(sentence.key[edge.to]?.text ?? "");
  const layers = props.planes[layer]?.layers ?? { start: layer, stop: layer + 1 };
  const lines: TipLine[] = [
    {
      text: `${from} ${joint} ${to} · ${groupTitle(layers).toLowerCase()}`,
      tone: "strong",
    },
    { text: `weight ${fixed(edge.weight, 4)}, ${fixed(edge.weight / edge.even)} × even` },
  ];
  const head = props.heads.get(edge);
  if (head !== undefined) {
    lines.push({ text: `most from head ${head + 1}` });
  }
  if (!one) {
    lines.push({ text: `${fixed(edge.forward, 4)} there, ${fixed(edge.backward, 4)} back` });
  }
  if (edge.change !== null) {
    lines.push({ text: `change ${signed(edge.change, 4)}` });
  }
  if (edge.fate !== null) {
    lines.push({ text: fateText(edge.fate), tone: "quiet" });
  }
  return lines;
}

function describeClass(props: GraphProps, index: number): TipLine[] {
  const found = props.classes.find((node) => node.index === index);
  if (!found) {
    return [];
  }
  const axis = props.sentence.key;
  const strongest = found.added
    .map((added, token) => ({ added, token }))
    .sort((a, b) => Math.abs(b.added) - Math.abs(a.added))
    .slice(0, LISTED)
    .filter(({ added }) => added !== 0);
  return [
    {
      text: `${tokenText(found.name)} · probability ${orNaN(found.probability, (value) => fixed(value, 3))}`,
      tone: "strong",
    },
    ...strongest.map(({ added, token }) => ({
      text: `${tokenText(axis[token]?.text ?? "")} adds ${orNaN(added, (value) => signed(value, 3))}`,
    })),
    { text: "click to see what tokens add to it", tone: "quiet" },
  ];
}

const LISTED = 4;
const STEP = 62;

function drawLegend(root: SVGSVGElement, props: GraphProps, pitch: number): void {
  if (props.colour === "opacity") {
    const text = "opacity: weight between the plane’s weakest and strongest edge, as CS559 drew it";
    root.setAttribute("width", "560");
    root.replaceChildren(svg("text", { x: 4, y: 14 }, text));
    return;
  }
  const classes = strengths(props);
  const open = props.rule.prune !== "level";
  const marks = Array.from({ length: CLASSES }, (_, level) => {
    const x = 4 + level * STEP;
    const stroke = props.compared ? "var(--ink3)" : classColour(level, props.theme);
    const line = svg("line", { x1: x, x2: x + 44, y1: 10, y2: 10, "stroke-linecap": "round" });
    line.style.stroke = stroke;
    line.style.strokeWidth = String(classWidth(level, pitch));
    const lowest = open && level === 0;
    const from = lowest ? `< ${fixed(classes[1] ?? 0)}` : `≥ ${fixed(classes[level] ?? 0)}`;
    return svg("g", {}, line, svg("text", { x, y: 30 }, from));
  });
  const note = props.compared
    ? "green: born, purple dashes: lost, pale: kept or hardly changed"
    : props.colour === "head"
      ? "hue: the head an edge owes most to"
      : "width and lightness: five classes of level";
  const unit = UNITS[props.rule.norm];
  const x = 8 + CLASSES * STEP;
  root.setAttribute("width", String(x + 380));
  root.replaceChildren(...marks, svg("text", { x, y: 14 }, note), svg("text", { x, y: 30 }, unit));
}

/** What a level is, for each normalisation. */
const UNITS: Readonly<Record<Norm, string>> = {
  uniform: "times even attention: 1 / keys seen",
  raw: "attention",
  row: "share of the row’s strongest",
  layer: "0 weakest, 1 strongest of the layer",
  rank: "share of edges at most as strong",
  log: "log₁₀ of times even attention",
};
