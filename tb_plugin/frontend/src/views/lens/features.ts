// One row per cluster: its parts of speech as a stacked bar, its places in the sentence as a strip.
import type { LensSide } from "../../core/headlens";
import {
  hasLongNotes,
  type LensGeometry,
  STRIP_GAP,
  stackShares,
} from "../../layout/lens/lens_geometry";
import { fixed, percent } from "../../scale/format";
import type { Theme } from "../../scale/head_colours";
import { tagColour, tagName } from "../../scale/pos";
import { productRamp } from "../../scale/ramps";
import { svg } from "../dom";

export interface FeatureProps {
  readonly side: LensSide;
  readonly tags: readonly string[];
  readonly theme: Theme;
  readonly geometry: LensGeometry;
  readonly x: number;
  readonly title: string;
  readonly chosen: number;
  readonly dashed: boolean;
  /** What each cluster's tokens take home, as multiples of their mean: a line below each bar. */
  readonly reads?: readonly (number | null)[];
  /** Rows are chosen by a click. */
  readonly selectable?: boolean;
}

const AIR = 1;
const GROUND = 3;
const READS = 2.5;

export function drawFeatures(props: FeatureProps): SVGGElement {
  const { side, geometry, x, title } = props;
  const heading = svg("text", { class: "lens-title", x: 0, y: 12 }, title);
  const under = svg(
    "text",
    { class: "lens-note", x: 0, y: 28 },
    hasLongNotes(geometry) ? "part of speech" : "speech",
  );
  const places = svg(
    "text",
    { class: "lens-note", x: geometry.bar + STRIP_GAP, y: 28 },
    hasLongNotes(geometry) ? "position" : "place",
  );
  const rows = side.profile.size.map((_, cluster) => drawRow(props, cluster));
  return svg(
    "g",
    { transform: `translate(${x},0)` },
    heading,
    under,
    places,
    ...rows,
    frame(props),
  );
}

function drawRow(props: FeatureProps, cluster: number): SVGGElement {
  const { side, tags, theme, geometry } = props;
  const { pitch, bar, strip } = geometry;
  const shares = side.profile.tags[cluster] ?? [];
  const segments = stackShares(shares, bar).map(({ index, x, width }) => {
    const tag = tags[index] ?? "X";
    const name = `${tagName(tag)} (${tag}) ${percent(shares[index] ?? 0)} of cluster ${cluster + 1}`;
    return svg(
      "rect",
      { x, width: Math.max(0, width - 0.5), height: pitch - 2 * AIR, fill: tagColour(tag, theme) },
      svg("title", {}, name),
    );
  });
  const places = side.profile.places[cluster] ?? [];
  const step = strip / Math.max(1, places.length);
  const ramp = productRamp(theme);
  const marks = places.map((share, at) =>
    svg(
      "rect",
      {
        x: bar + STRIP_GAP + at * step,
        width: step,
        height: pitch - 2 * AIR,
        fill: ramp.colour(Math.sqrt(share)),
      },
      svg(
        "title",
        {},
        `${percent(share)} of cluster ${cluster + 1} at place ${at + 1} of ${places.length}`,
      ),
    ),
  );
  const read = props.reads?.[cluster] ?? null;
  const most = Math.max(...(props.reads ?? []).map((each) => each ?? 0));
  const line =
    read === null
      ? []
      : [
          svg(
            "rect",
            {
              class: "lens-reads",
              y: pitch - 2 * AIR - READS,
              width: (bar * read) / most,
              height: READS,
              "data-reads": read,
            },
            svg(
              "title",
              {},
              `cluster ${cluster + 1} takes home ${fixed(read, 2)} × the mean |A V|, before W_O`,
            ),
          ),
        ];
  const y = geometry.top + cluster * pitch + AIR;
  const attributes = props.selectable
    ? {
        class: "lens-row",
        "data-value-cluster": cluster,
        role: "button",
        tabindex: 0,
        "aria-label": `Value cluster ${cluster + 1}`,
      }
    : {};
  return svg(
    "g",
    { transform: `translate(0,${y})`, ...attributes },
    ...segments,
    ...marks,
    ...line,
  );
}

function frame({ geometry, chosen, dashed }: FeatureProps): SVGRectElement {
  return svg("rect", {
    class: dashed ? "lens-frame dashed" : "lens-frame",
    x: -2,
    y: geometry.top + chosen * geometry.pitch - 1,
    width: geometry.bar + STRIP_GAP + geometry.strip + GROUND,
    height: geometry.pitch + 2,
  });
}
