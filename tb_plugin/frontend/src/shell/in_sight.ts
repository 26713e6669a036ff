// Lists that keep what is shown in sight.
import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";

const SHOWN = ".item[aria-pressed='true']";

/**
 * A list that scrolls, whose pressed item is scrolled into sight when `shown` changes, also where a link chose it
 * far down, and when the list gets another height. Nothing around the list moves: scrollIntoView() would move the
 * notebook around the tab.
 */
export function useInSight<T extends HTMLElement>(shown: unknown): RefObject<T | null> {
  const root = useRef<T>(null);
  useEffect(() => {
    const list = root.current;
    if (!list) {
      return;
    }
    const reveal = (): void => {
      const item = list.querySelector(SHOWN);
      if (item) {
        const [here, whole] = [item.getBoundingClientRect(), list.getBoundingClientRect()];
        list.scrollTop += Math.max(0, here.bottom - whole.bottom);
        list.scrollTop -= Math.max(0, whole.top - here.top);
      }
    };
    const observer = new ResizeObserver(reveal); // it calls back at once, too
    observer.observe(list);
    return () => observer.disconnect();
  }, [shown]);
  return root;
}
