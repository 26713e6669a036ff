// The HTML box over one layer's panel; its content sticks to the window while the tokens scroll.
import type { NetworkFrame } from "./network_props";

export function placePanel(root: HTMLElement, frame: NetworkFrame, layer: number): void {
  const { geometry } = frame;
  root.style.left = `${geometry.panels[layer]?.x ?? 0}px`;
  root.style.top = `${geometry.bodyTop}px`;
  root.style.width = `${geometry.panelWidth}px`;
  root.style.height = `${Math.max(geometry.bodyHeight, geometry.visibleHeight)}px`;
}
