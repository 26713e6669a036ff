import type { RefObject } from "preact";
import { useLayoutEffect, useState } from "preact/hooks";
import type { Viewport } from "../layout/network/columns";

/**
 * The size of an element in px. TensorBoard shrinks a hidden tab to height 0; that is not a size
 * to lay anything out for, so the last real one is kept.
 */
export function useSize(ref: RefObject<Element | null>): Viewport | null {
  const [size, setSize] = useState<Viewport | null>(null);
  useLayoutEffect(() => {
    const node = ref.current;
    if (!node) {
      return;
    }
    const measure = (): void => {
      const { clientWidth: width, clientHeight: height } = node;
      if (width > 0 && height > 0) {
        setSize((before) =>
          before?.width === width && before.height === height ? before : { width, height },
        );
      }
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(node);
    return () => observer.disconnect();
  }, [ref]);
  return size;
}
