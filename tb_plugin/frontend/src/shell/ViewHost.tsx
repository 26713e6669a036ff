import { useLayoutEffect, useRef } from "preact/hooks";
import type { CreateView, View } from "../views/view";

interface ViewHostProps<Props> {
  readonly create: CreateView<Props>;
  readonly props: Props;
}

/** The one place where a view meets Preact: create once, update on every change, destroy at the end. */
export function ViewHost<Props extends object>({ create, props }: ViewHostProps<Props>) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<View<Props> | null>(null);
  useLayoutEffect(() => {
    if (!host.current) {
      return;
    }
    const made = create(host.current);
    view.current = made;
    return () => made.destroy();
  }, [create]);
  // Props of the same values are not drawn again: most changes of the state concern other parts.
  useLayoutEffect(() => view.current?.update(props), [create, ...Object.values(props)]);
  return <div class="view-host" ref={host} />;
}
