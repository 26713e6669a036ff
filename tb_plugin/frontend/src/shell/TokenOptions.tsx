import { axesOf } from "../core/recording";
import { percent } from "../scale/format";
import { tokenText } from "../scale/text";
import { hidden, part, probe, select, view } from "../state/store";

const NAMED = 3;

/** The special tokens of the shown sentence, each once. */
function specialNames(): string[] {
  if (!part.value || !probe.value) {
    return [];
  }
  const { query, key } = axesOf(part.value, probe.value);
  const names = [key, query].flatMap(({ text, special }) =>
    special.map((at) => tokenText(text[at] ?? "")),
  );
  return [...new Set(names)];
}

export function TokenOptions() {
  const names = specialNames();
  if (names.length === 0) {
    return null;
  }
  const more = names.length > NAMED ? " …" : "";
  return (
    <section aria-label="Tokens">
      <h2>Tokens</h2>
      <label class="check">
        <input
          type="checkbox"
          checked={view.value.hideSpecial}
          onChange={(event) =>
            select({ hideSpecial: event.currentTarget.checked, lock: null, pin: null })
          }
        />
        <span>{`Hide ${names.slice(0, NAMED).join(" ")}${more}`}</span>
      </label>
      {hidden.value !== null && (
        <p class="note">{`${percent(hidden.value)} of the attention goes to hidden tokens.`}</p>
      )}
    </section>
  );
}
