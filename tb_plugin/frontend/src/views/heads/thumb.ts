// Small maps of heads, painted when they come into sight.
import { type ColourScale, changeOnScale, onScale } from "../../core/contrast";
import { holdsLayer, type Maps } from "../../core/maps";
import type { HeadId } from "../../core/recording";
import { shownMap } from "../../layout/network/network_numbers";
import { headLabel } from "../../scale/format";
import type { Theme } from "../../scale/head_colours";
import { attentionRamp, differenceRamp } from "../../scale/ramps";
import { html } from "../dom";
import { drawHeat } from "../heat";

const MARKED = 40;

/** The maps that pictures of heads are made of. */
export interface MapSource {
  readonly maps: Maps;
  /** At B, where the change from it is shown. */
  readonly reference: Maps | null;
  /** What the colours of every layer span. */
  readonly scales: readonly ColourScale[];
  readonly theme: Theme;
  /** Rows and columns are the same tokens. */
  readonly square: boolean;
  /** Which step is shown, in words. */
  readonly label: string;
}

/** Paint a head's map; nothing where it was not fetched. */
export function paintThumb(
  canvas: HTMLCanvasElement,
  source: MapSource,
  { layer, head }: HeadId,
  size: number,
): void {
  const { maps, reference, scales, theme } = source;
  if (!holdsLayer(maps, layer)) {
    return;
  }
  const map = shownMap(maps, reference, layer, head);
  const scale = scales[layer];
  const drawn = reference ? changeOnScale : onScale;
  drawHeat(canvas, scale ? drawn(map, scale) : map, {
    width: size,
    height: size,
    ramp: reference ? differenceRamp(theme) : attentionRamp(head, theme),
    theme,
    // Among many tokens the grey line would hide what it marks.
    diagonal: source.square && map.cols <= MARKED,
  });
  canvas.setAttribute("aria-label", `Attention of ${headLabel({ layer, head })}, ${source.label}`);
}

export const thumbCanvas = ({ layer, head }: HeadId): HTMLCanvasElement =>
  html("canvas", { class: "heat", role: "img", "data-layer": layer, "data-head": head });

/** Calls for what is in sight: at once when it appears, and again when it has to be repainted. */
export interface InSight {
  /** Watch a node; `paint` is called whenever it is in sight and out of date. */
  watch(node: Element, paint: () => void): void;
  /** Everything is out of date: repaint what is in sight, the rest when it appears. */
  refresh(): void;
  clear(): void;
}

export function createInSight(): InSight {
  const paints = new Map<Element, () => void>();
  const seen = new Set<Element>();
  const stale = new Set<Element>();
  const repaint = (node: Element): void => {
    if (stale.delete(node)) {
      paints.get(node)?.();
    }
  };
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        if (isIntersecting) {
          seen.add(target);
          repaint(target);
        } else {
          seen.delete(target);
        }
      }
    },
    { rootMargin: "120px" },
  );
  return {
    watch(node, paint) {
      paints.set(node, paint);
      stale.add(node);
      observer.observe(node);
    },
    refresh() {
      for (const node of paints.keys()) {
        stale.add(node);
      }
      for (const node of seen) {
        repaint(node);
      }
    },
    clear() {
      observer.disconnect();
      paints.clear();
      seen.clear();
      stale.clear();
    },
  };
}
