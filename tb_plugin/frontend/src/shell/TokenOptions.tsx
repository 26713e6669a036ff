import { hasPieces } from "../core/axis";
import { axesOf, BORDER } from "../core/recording";
import { percent } from "../scale/format";
import { tokenText } from "../scale/text";
import { documents } from "../state/derived/even_maps";
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

/** Is any word of the shown sentence split into pieces? */
function split(): boolean {
  if (!part.value || !probe.value) {
    return false;
  }
  const { query, key } = axesOf(part.value, probe.value);
  return hasPieces(query) || hasPieces(key);
}

interface CheckProps {
  readonly text: string;
  readonly checked: boolean;
  readonly onChange: (checked: boolean) => void;
}

function Check({ text, checked, onChange }: CheckProps) {
  return (
    <label class="check">
      <input
        type="checkbox"
        checked={checked}
        onChange={(event) => onChange(event.currentTarget.checked)}
      />
      <span>{text}</span>
    </label>
  );
}

export function TokenOptions() {
  const names = specialNames();
  const pieces = split();
  const several = documents.value?.length ?? 0;
  if (names.length === 0 && !pieces && several === 0) {
    return null;
  }
  const more = names.length > NAMED ? " …" : "";
  return (
    <section aria-label="Tokens">
      <h2>Tokens</h2>
      {pieces && (
        <Check
          text="Merge word pieces"
          checked={view.value.mergeWords}
          onChange={(mergeWords) => select({ mergeWords, lock: null, pin: null })}
        />
      )}
      {names.length > 0 && (
        <Check
          text={`Hide ${names.slice(0, NAMED).join(" ")}${more}`}
          checked={view.value.hideSpecial}
          onChange={(hideSpecial) => select({ hideSpecial, lock: null, pin: null })}
        />
      )}
      {several > 0 && (
        <p class="note">{`${several} documents in a row, ${BORDER} where one begins: no token reads across, and what cannot be read is no choice.`}</p>
      )}
      {hidden.value !== null && (
        <p class="note">{`${percent(hidden.value)} of the attention goes to hidden tokens.`}</p>
      )}
    </section>
  );
}
