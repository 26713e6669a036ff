import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";

/** The graph's code is fetched when the graph is first looked at. */
export function LazyGraph() {
  const [loaded, setLoaded] = useState<{ readonly View: ComponentType } | null>(null);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    import("./GraphView").then(
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
