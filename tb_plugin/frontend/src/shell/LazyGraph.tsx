import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";

const fetchGraph = () => import("./GraphView");
const SOON = 1000;

/** Fetch the graph's code while nobody waits for it; returns what stops that. */
export function fetchGraphSoon(): () => void {
  const timer = setTimeout(() => void fetchGraph().catch(() => undefined), SOON);
  return () => clearTimeout(timer);
}

/** The graph's code comes with the first look at it, unless it is here already. */
export function LazyGraph() {
  const [loaded, setLoaded] = useState<{ readonly View: ComponentType } | null>(null);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    fetchGraph().then(
      ({ GraphView }) => setLoaded({ View: GraphView }),
      () => setFailed(true),
    );
  }, []);
  if (failed) {
    return (
      <p class="message" role="alert">
        The graph could not be loaded; is TensorBoard still running?
      </p>
    );
  }
  return loaded && <loaded.View />;
}
