import { useEffect, useState } from "preact/hooks";
import { work } from "../state/derived/work";

/** Shorter waits need no sign: one that flashes disturbs more than it tells. */
const DELAY = 200;

/** A line over the view and a word beside it while something is on its way; it moves nothing. */
export function BusySign() {
  const text = work.value;
  const busy = text !== null;
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(busy), busy ? DELAY : 0);
    return () => clearTimeout(timer);
  }, [busy]);
  return (
    <div class="busy" role="status">
      {busy && late && (
        <>
          <i aria-hidden="true" />
          {text !== "" && <span>{text}</span>}
        </>
      )}
    </div>
  );
}
