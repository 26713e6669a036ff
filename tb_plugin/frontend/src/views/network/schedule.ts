// Layers in sight are drawn at once, the others one by one when the browser has time.
import type { Range } from "../../core/window";

export interface Schedule {
  /** Everything must be drawn again. */
  restart(range: Range): void;
  stop(): void;
}

/** Also used where the browser has no idle callbacks. */
const PAUSE = 60;

export function createSchedule(
  draw: (layer: number) => void,
  inSight: () => readonly number[],
): Schedule {
  const waiting = new Set<number>();
  let timer: ReturnType<typeof setTimeout> | undefined;

  const drawNow = (layer: number): void => {
    if (waiting.delete(layer)) {
      draw(layer);
    }
  };
  const drawInSight = (): void => {
    for (const layer of inSight()) {
      drawNow(layer);
    }
  };
  const drawRest = (): void => {
    const [next] = waiting;
    if (next !== undefined) {
      drawNow(next);
      timer = setTimeout(drawRest, 0);
    }
  };
  // Scroll events do not bubble; the scrolling element is outside of the view.
  const onScroll = (): void => {
    if (waiting.size > 0) {
      drawInSight();
    }
  };
  document.addEventListener("scroll", onScroll, { capture: true, passive: true });

  return {
    restart({ start, stop }) {
      clearTimeout(timer);
      waiting.clear();
      for (let layer = start; layer < stop; layer++) {
        waiting.add(layer);
      }
      drawInSight();
      timer = setTimeout(drawRest, PAUSE);
    },
    stop() {
      clearTimeout(timer);
      waiting.clear();
      document.removeEventListener("scroll", onScroll, { capture: true });
    },
  };
}
