// How the clusters' spread falls with their number: where it bends is a good choice.
import { line } from "d3-shape";
import type { Elbow, ElbowSide } from "../../core/headlens";
import type { LensGeometry } from "../../layout/lens/lens_geometry";
import { svg } from "../dom";

const WIDTH = 110;
const HEIGHT = 30;

export function drawElbow(elbow: Elbow, shown: number, geometry: LensGeometry): SVGGElement {
  const last = Math.max(...elbow.queries.ks, ...elbow.keys.ks, shown);
  const x = (k: number): number => (WIDTH * (k - 2)) / Math.max(1, last - 2);
  const path = ({ ks, inertias }: ElbowSide): string => {
    const most = Math.max(1e-12, ...inertias);
    const draw = line<number>()
      .x((_, at) => x(ks[at] ?? 2))
      .y((inertia) => HEIGHT - (HEIGHT * inertia) / most);
    return draw([...inertias]) ?? "";
  };
  return svg(
    "g",
    {
      transform: `translate(${geometry.table},${geometry.height + 24})`,
      role: "img",
      "aria-label": `Elbow: bends at ${elbow.queries.chosen} query and ${elbow.keys.chosen} key clusters, ${shown} shown`,
    },
    svg("line", { class: "elbow-mark", x1: x(shown), x2: x(shown), y1: -2, y2: HEIGHT + 2 }),
    svg("path", { class: "elbow", d: path(elbow.queries) }),
    svg("path", { class: "elbow dashed", d: path(elbow.keys) }),
    svg(
      "text",
      { class: "lens-note", x: WIDTH + 8, y: 12 },
      `elbow: query ${elbow.queries.chosen}`,
    ),
    svg("text", { class: "lens-note", x: WIDTH + 8, y: 27 }, `key ${elbow.keys.chosen} (dashed)`),
  );
}
