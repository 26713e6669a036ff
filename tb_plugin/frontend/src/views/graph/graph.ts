// The multi-planar graph of CS559: one plane per layer, one node per token.
import { classColour, classWidth } from "../../layout/graph/edge_style";
import { CLASSES, classStart } from "../../layout/graph/graph";
import { planeOf, ringAxis, ringCount, sideOf } from "../../layout/graph/graph_rings";
import { groupTitle } from "../../layout/graph/layer_groups";
import {
  type Camera,
  FIRST_CAMERA,
  PITCH_LIMIT,
  projection,
  ZOOM_LIMITS,
} from "../../layout/graph/projection";
import { fateText, fixed, signed } from "../../scale/format";
import { tokenText } from "../../scale/text";
import { html, svg } from "../dom";
import { createTooltip, type TipLine } from "../tooltip";
import type { View } from "../view";
import { paintGraph } from "./paint";
import type { Colours, GraphProps, Hit } from "./props";

const TURN = 0.006;
const REACH = 11;
const STILL = 4;

export function createGraph(host: HTMLElement): View<GraphProps> {
  const canvas = html("canvas", { class: "graph-canvas", role: "img", tabindex: 0 });
  const legend = svg("svg", { class: "graph-legend", "aria-hidden": "true", height: 40 });
  const hint = html("p", { class: "note graph-hint" }, HINT);
  const root = html("div", { class: "graph" }, canvas, legend, hint);
  host.append(root);
  const tooltip = createTooltip(root);
  let props: GraphProps | null = null;
  let hits: Hit[] = [];
  let drag: { x: number; y: number; camera: Camera; moved: number } | null = null;

  const paint = (): void => {
    if (props) {
      hits = paintCanvas(canvas, props);
    }
  };
  const hitAt = (event: MouseEvent): Hit | null => {
    const box = canvas.getBoundingClientRect();
    return nearest(hits, event.clientX - box.left, event.clientY - box.top);
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (props) {
      canvas.setPointerCapture(event.pointerId);
      drag = { x: event.clientX, y: event.clientY, camera: props.camera, moved: 0 };
    }
  });
  canvas.addEventListener("pointermove", (event) => {
    if (drag && props) {
      drag.moved += Math.abs(event.movementX) + Math.abs(event.movementY);
      const yaw = drag.camera.yaw + (event.clientX - drag.x) * TURN;
      const pitch = drag.camera.pitch + (event.clientY - drag.y) * TURN;
      tooltip.hide();
      props.onCamera({
        ...props.camera,
        yaw,
        pitch: Math.max(-PITCH_LIMIT, Math.min(PITCH_LIMIT, pitch)),
      });
      return;
    }
    const hit = hitAt(event);
    if (hit && props) {
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
    }
  });
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      if (props) {
        const [least, most] = ZOOM_LIMITS;
        const zoom = props.camera.zoom * Math.exp(-event.deltaY * 0.001);
        props.onCamera({ ...props.camera, zoom: Math.max(least, Math.min(most, zoom)) });
      }
    },
    { passive: false },
  );
  canvas.addEventListener("dblclick", () => props?.onCamera(FIRST_CAMERA));

  return {
    update(next) {
      props = next;
      canvas.setAttribute("aria-label", `Attention graph, ${next.label}. ${HINT}`);
      paint();
      drawLegend(legend, next);
    },
    destroy() {
      tooltip.destroy();
      root.remove();
    },
  };
}

const HINT = "Drag to rotate, wheel to zoom, click a token, double-click to reset.";

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
  };
}

function paintCanvas(canvas: HTMLCanvasElement, props: GraphProps): Hit[] {
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
    return [];
  }
  context.setTransform(sharpness, 0, 0, sharpness, 0, 0);
  context.clearRect(0, 0, width, height);
  const { sentence, places } = props;
  const stage = {
    layers: ringCount(props.planes.length, sentence),
    tokens: (ring: number): number => ringAxis(ring, sentence).length,
    places: (ring: number) => places?.[ring] ?? null,
    classes: props.classes.length,
  };
  const scene = projection(stage, props.viewport, props.camera);
  return paintGraph(context, props, scene, coloursOf(canvas));
}

/** What lies nearest to a point; tokens win over edges. */
function nearest(hits: readonly Hit[], x: number, y: number): Hit | null {
  let best: Hit | null = null;
  let least = REACH;
  for (const hit of hits) {
    const gap = Math.hypot(hit.at.x - x, hit.at.y - y) - (hit.kind === "node" ? 3 : 0);
    if (gap < least) {
      best = hit;
      least = gap;
    }
  }
  return best;
}

function describe(props: GraphProps, hit: Hit): TipLine[] {
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
    { text: `weight ${fixed(edge.weight, 4)}, level ${fixed(edge.level)}` },
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
      text: `${tokenText(found.name)} · probability ${fixed(found.probability, 3)}`,
      tone: "strong",
    },
    ...strongest.map(({ added, token }) => ({
      text: `${tokenText(axis[token]?.text ?? "")} adds ${signed(added, 3)}`,
    })),
    { text: "click to see what tokens add to it", tone: "quiet" },
  ];
}

const LISTED = 4;
const STEP = 62;

function drawLegend(root: SVGSVGElement, props: GraphProps): void {
  const { norm, prune } = props.rule;
  const least = prune === "level" ? props.rule.least : 0;
  if (props.colour === "opacity") {
    const text = "opacity: weight between the plane’s weakest and strongest edge, as CS559 drew it";
    root.setAttribute("width", "560");
    root.replaceChildren(svg("text", { x: 4, y: 14 }, text));
    return;
  }
  const marks = Array.from({ length: CLASSES }, (_, level) => {
    const x = 4 + level * STEP;
    const stroke = props.compared ? "var(--ink3)" : classColour(level, props.theme);
    const line = svg("line", { x1: x, x2: x + 44, y1: 10, y2: 10, "stroke-linecap": "round" });
    line.style.stroke = stroke;
    line.style.strokeWidth = String(classWidth(level, props.sentence.key.length));
    const from = fixed(classStart(level, least, norm));
    return svg("g", {}, line, svg("text", { x, y: 30 }, `≥ ${from}`));
  });
  const note = props.compared
    ? "green: born, purple dashes: lost, pale: kept or hardly changed"
    : props.colour === "head"
      ? "hue: the head an edge owes most to"
      : "width and lightness: five classes of level";
  root.setAttribute("width", String(CLASSES * STEP + 380));
  root.replaceChildren(...marks, svg("text", { x: 8 + CLASSES * STEP, y: 14 }, note));
}
