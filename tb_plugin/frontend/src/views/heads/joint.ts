// Queries and keys of a head on one plane: points move with the step, axes do not.
import type { Joint, JointPoints } from "../../core/over_time";
import { type JointPlane, jointPlane } from "../../layout/heads/joint_plane";
import type { Viewport } from "../../layout/network/columns";
import { fixed, headLabel, percent, thousands } from "../../scale/format";
import type { Theme } from "../../scale/head_colours";
import { tagColour, tagLabel, tagName } from "../../scale/pos";
import { tokenText } from "../../scale/text";
import { html, setAll, svg } from "../dom";
import { createTooltip } from "../tooltip";
import type { View } from "../view";

export interface JointProps {
  readonly viewport: Viewport;
  readonly theme: Theme;
  readonly joint: Joint;
  readonly label: string;
  /** Colour says query or key, or the part of speech. */
  readonly points: "kind" | "tag";
}

type Kind = "queries" | "keys";

const KINDS: readonly Kind[] = ["keys", "queries"];
const RADIUS = 3;

export function createJoint(host: HTMLElement): View<JointProps> {
  const frame = svg("g");
  const layers = {
    keys: svg("g", { class: "joint-keys" }),
    queries: svg("g", { class: "joint-queries" }),
  };
  const legend = svg("g");
  const picture = svg(
    "svg",
    { class: "joint-picture", role: "img" },
    frame,
    layers.keys,
    layers.queries,
    legend,
  );
  const root = html("div", { class: "joint" }, picture);
  const tooltip = createTooltip(root);
  host.append(root);
  let props: JointProps | null = null;

  picture.addEventListener("pointermove", (event) => {
    const node = event.target instanceof SVGCircleElement ? event.target : null;
    const { kind, index } = node?.dataset ?? {};
    if (props && (kind === "queries" || kind === "keys") && index !== undefined) {
      tooltip.show(event, describe(props.joint, kind, Number(index)));
    } else {
      tooltip.hide();
    }
  });
  picture.addEventListener("pointerleave", () => tooltip.hide());

  return {
    update(next) {
      props = next;
      const { joint, viewport } = next;
      const plane = jointPlane(joint, viewport);
      setAll(picture, {
        width: Math.max(viewport.width, plane.left + plane.size + 190),
        height: Math.max(viewport.height, plane.top + plane.size + 34),
        "aria-label": `Queries and keys of ${headLabel(joint)}, ${next.label}`,
      });
      frame.replaceChildren(...drawFrame(joint, plane));
      for (const kind of KINDS) {
        placePoints(layers[kind], next, kind, plane);
      }
      legend.replaceChildren(...drawLegend(next, plane));
    },
    destroy() {
      tooltip.destroy();
      root.remove();
    },
  };
}

function colourOf({ joint, points, theme }: JointProps, kind: Kind, tag: number): string {
  if (points === "tag") {
    return tagColour(joint.tags[tag] ?? "X", theme);
  }
  return kind === "queries" ? `var(--head-${joint.head % 16})` : "var(--ink2)";
}

/** Points stay the same nodes while a step only moves them. */
function placePoints(group: SVGGElement, props: JointProps, kind: Kind, plane: JointPlane): void {
  const { x, y, tag } = props.joint[kind];
  while (group.childElementCount > x.length) {
    group.lastElementChild?.remove();
  }
  while (group.childElementCount < x.length) {
    group.append(
      svg("circle", { r: RADIUS, "data-kind": kind, "data-index": group.childElementCount }),
    );
  }
  [...group.children].forEach((node, at) => {
    const colour = colourOf(props, kind, tag[at] ?? 0);
    setAll(node, {
      cx: plane.x(x[at] ?? 0).toFixed(1),
      cy: plane.y(y[at] ?? 0).toFixed(1),
      style: kind === "queries" ? `fill:${colour}` : `stroke:${colour}`,
    });
  });
}

function drawFrame({ explained }: Joint, plane: JointPlane): SVGElement[] {
  const { left, top, size } = plane;
  const middle = { x: plane.x(0), y: plane.y(0) };
  const axis = (at: number): string =>
    `axis ${at + 1}: ${percent(explained[at] ?? 0)} of the spread`;
  return [
    svg("rect", { class: "joint-frame", x: left, y: top, width: size, height: size }),
    svg("line", { class: "uniform", x1: left, x2: left + size, y1: middle.y, y2: middle.y }),
    svg("line", { class: "uniform", x1: middle.x, x2: middle.x, y1: top, y2: top + size }),
    svg("text", { x: left + size / 2, y: top + size + 20, "text-anchor": "middle" }, axis(0)),
    svg(
      "text",
      {
        transform: `translate(${left - 12},${top + size / 2}) rotate(-90)`,
        "text-anchor": "middle",
      },
      axis(1),
    ),
  ];
}

function drawLegend(props: JointProps, plane: JointPlane): SVGElement[] {
  const { joint, points } = props;
  const left = plane.left + plane.size + 22;
  const ink =
    points === "kind"
      ? { queries: colourOf(props, "queries", 0), keys: colourOf(props, "keys", 0) }
      : { queries: "var(--ink2)", keys: "var(--ink2)" };
  const kinds = [
    legendRow(
      0,
      svg("circle", { r: 4, cx: 5, cy: -4, style: `fill:${ink.queries}` }),
      `${thousands(joint.queries.x.length)} queries`,
    ),
    legendRow(
      1,
      svg("circle", { class: "joint-ring", r: 4, cx: 5, cy: -4, style: `stroke:${ink.keys}` }),
      `${thousands(joint.keys.x.length)} keys`,
    ),
  ];
  const tags = points === "tag" ? presentTags(joint) : [];
  const rows = tags.map(({ tag, count }, at) =>
    legendRow(
      at + 3,
      svg("rect", { width: 9, height: 9, y: -8, fill: tagColour(tag, props.theme) }),
      `${tagLabel(tag)} ${thousands(count)}`,
      tagName(tag),
    ),
  );
  const notes = [
    `one plane for ${joint.basis_steps} steps,`,
    "each kind around its own mean;",
    `limits ±${fixed(joint.reach, 1)}`,
    ...(points === "tag" ? `tagged by ${joint.tagger}`.split("; ") : []),
  ].map((text, at) =>
    svg("text", { class: "joint-note", y: (kinds.length + rows.length + 2) * 17 + at * 15 }, text),
  );
  return [
    svg("g", { transform: `translate(${left},${plane.top + 14})` }, ...kinds, ...rows, ...notes),
  ];
}

function legendRow(at: number, mark: SVGElement, text: string, title = ""): SVGGElement {
  return svg(
    "g",
    { transform: `translate(0,${at * 17})` },
    mark,
    svg("text", { x: 16 }, text),
    ...(title ? [svg("title", {}, title)] : []),
  );
}

/** The tags that occur, most frequent first. */
function presentTags({ tags, queries, keys }: Joint): { tag: string; count: number }[] {
  const counts = new Map<string, number>();
  for (const at of [...queries.tag, ...keys.tag]) {
    const tag = tags[at] ?? "X";
    counts.set(tag, (counts.get(tag) ?? 0) + 1);
  }
  return [...counts]
    .map(([tag, count]) => ({ tag, count }))
    .sort((a, b) => b.count - a.count || a.tag.localeCompare(b.tag));
}

function describe(
  joint: Joint,
  kind: Kind,
  at: number,
): { text: string; tone?: "strong" | "quiet" }[] {
  const side: JointPoints = joint[kind];
  const tag = joint.tags[side.tag[at] ?? 0] ?? "X";
  return [
    { text: `“${tokenText(side.word[at] ?? "")}”`, tone: "strong" },
    { text: `${kind === "queries" ? "query" : "key"}, ${tagName(tag)}` },
    {
      text: `sentence ${(side.probe[at] ?? 0) + 1} · ${fixed(side.x[at] ?? 0)}, ${fixed(side.y[at] ?? 0)}`,
      tone: "quiet",
    },
  ];
}
