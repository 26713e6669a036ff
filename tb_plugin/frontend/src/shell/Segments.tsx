export interface SegmentOption<Value extends string> {
  readonly value: Value;
  readonly text: string;
  /** What it means, as its tooltip. */
  readonly title?: string;
  /** Why this option cannot be chosen now; shown as its tooltip. */
  readonly disabled?: string | undefined;
}

interface SegmentsProps<Value extends string> {
  readonly label: string;
  readonly options: readonly SegmentOption<Value>[];
  /** Null when no single option describes the state. */
  readonly current: Value | null;
  readonly onChoose: (value: Value) => void;
  readonly variant?: "small" | "wide";
}

/** A row of buttons of which one is pressed. */
export function Segments<Value extends string>(props: SegmentsProps<Value>) {
  const { label, options, current, onChoose, variant = "" } = props;
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset's legend cannot be laid out in a row
    <div class={`segments ${variant}`} role="group" aria-label={label}>
      {options.map(({ value, text, title, disabled }) => (
        <button
          key={value}
          type="button"
          aria-pressed={value === current}
          disabled={disabled !== undefined}
          title={disabled ?? title}
          onClick={() => onChoose(value)}
        >
          {text}
        </button>
      ))}
    </div>
  );
}
