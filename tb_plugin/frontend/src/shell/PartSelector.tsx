import type { Part } from "../core/recording";
import { partTitle } from "../scale/format";
import { part, recording, select } from "../state/store";
import { type SegmentOption, Segments } from "./Segments";

const USUAL = ["encoder", "decoder", "cross"];

/** The usual three, those without a recording disabled with the reason, then other streams. */
function options(parts: readonly Part[]): SegmentOption<string>[] {
  const names = parts.map(({ name }) => name);
  const usual = names.some((name) => USUAL.includes(name)) ? USUAL : [];
  return [...usual, ...names.filter((name) => !usual.includes(name))].map((name) => ({
    value: name,
    text: partTitle(name),
    disabled: names.includes(name) ? undefined : missing(name),
  }));
}

const missing = (name: string): string =>
  name === "cross" ? "This run has no encoder–decoder attention" : `This run has no ${name}`;

export function PartSelector() {
  const parts = recording.value?.parts ?? [];
  if (parts.length === 0) {
    return null;
  }
  return (
    <section aria-label="Attention">
      <h2>Attention</h2>
      <Segments
        label="Part of the model"
        variant="wide"
        options={options(parts)}
        current={part.value?.name ?? null}
        onChoose={(name) => select({ part: name, lock: null, pin: null })}
      />
    </section>
  );
}
