// Layers in sight are drawn first, the others one by one when the browser has time.
import type { Range } from "../../core/window";

export interface Schedule {
  /**
   * Everything must be drawn again: what is in sight `at-once`, before this returns, or in
   * `slices` between which the page can answer. What is in sight is measured again when the page
   * was scrolled, and for another `geometry`.
   */
  restart(range: Range, how: "at-once" | "slices", geometry: object): void;
  /** Whether a layer in sight still waits. */
  busy(): boolean;
  stop(): void;
}

export interface Drawing {
  readonly draw: (layer: number) => void;
  /** The layers in sight; measures the page, which must be laid out for it. */
  readonly inSight: () => readonly number[];
  /** Every layer in sight is drawn. */
  readonly onDrawn: () => void;
}

/** Also used where the browser has no idle callbacks. */
const PAUSE = 60;
/** After this many milliseconds of drawing the page gets a turn: a frame. */
const SLICE = 16;

export function createSchedule({ draw, inSight, onDrawn }: Drawing): Schedule {
  const waiting = new Set<number>();
  let urgent: number[] = [];
  let slices = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let cancel = (): void => undefined;
  let measured: { readonly layers: readonly number[]; readonly geometry: object } | null = null;
  let geometry: object = {};

  const layersInSight = (): readonly number[] => {
    if (measured?.geometry !== geometry) {
      measured = { layers: inSight(), geometry };
    }
    return measured.layers;
  };
  const drawNow = (layer: number): void => {
    if (waiting.delete(layer)) {
      draw(layer);
    }
  };
  const drawRest = (): void => {
    const [next] = waiting;
    if (next !== undefined) {
      drawNow(next);
      timer = setTimeout(drawRest, 0);
    }
  };
  const drawnInSight = (): void => {
    slices = false;
    onDrawn();
    timer = setTimeout(drawRest, PAUSE);
  };
  const drawSlice = (): void => {
    const end = performance.now() + SLICE;
    do {
      const layer = urgent.shift();
      if (layer === undefined) {
        drawnInSight();
        return;
      }
      drawNow(layer);
    } while (performance.now() < end);
    cancel = nextTask(drawSlice);
  };
  const drawSight = (): void => {
    urgent = [...layersInSight()];
    drawSlice();
  };
  // Scroll events do not bubble; the scrolling element is outside of the view.
  const onScroll = (): void => {
    measured = null;
    if (slices) {
      urgent = [...layersInSight()];
    } else if (waiting.size > 0) {
      layersInSight().forEach(drawNow);
    }
  };
  const halt = (): void => {
    clearTimeout(timer);
    cancel();
    waiting.clear();
    slices = false;
  };
  document.addEventListener("scroll", onScroll, { capture: true, passive: true });

  return {
    restart({ start, stop }, how, next) {
      halt();
      geometry = next;
      for (let layer = start; layer < stop; layer++) {
        waiting.add(layer);
      }
      slices = how === "slices";
      if (slices) {
        cancel = nextTask(drawSight);
      } else {
        layersInSight().forEach(drawNow);
        drawnInSight();
      }
    },
    busy: () => slices,
    stop() {
      halt();
      document.removeEventListener("scroll", onScroll, { capture: true });
    },
  };
}

/** Run in a task of its own, without the pause that nested timers make; returns how to cancel. */
function nextTask(run: () => void): () => void {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    run();
  };
  port2.postMessage(null);
  return () => port1.close();
}
