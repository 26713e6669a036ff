import { wholeImage } from "../core/patches";
import { nearestStep, type Probe } from "../core/recording";
import { headTitle } from "../scale/format";
import { sentenceText, tokenText } from "../scale/text";
import { nouns } from "../state/derived/nouns";
import { entry, probe, recording, select } from "../state/store";
import { useInSight } from "./in_sight";

const ORIGINS: Readonly<Record<Probe["split"], string>> = {
  val: "Drawn from the validation set",
  train: "Drawn from the training set",
  asked: "Asked after the others were recorded; in no mean and no signal",
};

/** The step to go to where a sentence was asked at others than the shown one. */
function toAsked({ steps }: Probe): { step?: number } {
  const here = entry.value?.step;
  const all = recording.value?.steps ?? [];
  const asked = all.filter(({ step }) => steps?.includes(step));
  const nearest = asked[nearestStep(asked, here ?? 0)];
  return nearest && here !== nearest.step ? { step: nearest.step } : {};
}

/** What a mean over sentences is of, and what all of them have in common. */
function MeanText({ item, of }: { readonly item: Probe; readonly of: readonly number[] }) {
  // Patches, columns and time steps have the same names in all of them.
  const words = nouns.value.token === "word" ? item.source.text : [];
  const common = words.filter((word) => !/^#\d+$/u.test(word)).map(tokenText);
  return (
    <bdi
      title={`The mean map of every head over ${nouns.value.probes} ${of.map((at) => at + 1).join(", ")}: words where all have the same, positions elsewhere`}
    >
      {`Mean of ${of.length} ${nouns.value.probes}`}
      {common.length > 0 && <small>{` ${common.join(" ")}`}</small>}
    </bdi>
  );
}

function ProbeItem({ item }: { readonly item: Probe }) {
  const muted = (item.muted ?? []).map(headTitle).join(", ");
  return (
    <button
      type="button"
      class="item"
      aria-pressed={item.index === probe.value?.index}
      onClick={() => select({ probe: item.index, lock: null, pin: null, ...toAsked(item) })}
    >
      <span class={`split ${item.split}`} title={ORIGINS[item.split]}>
        {item.split}
      </span>
      <span class="grow">
        {item.title && <bdi class="probe-title">{tokenText(item.title)}</bdi>}
        {item.mean_of ? (
          <MeanText item={item} of={item.mean_of} />
        ) : item.source.image ? (
          <img
            class="thumbnail"
            src={wholeImage(item.source.image)}
            alt={`Probe ${item.index + 1}`}
            width={40}
          />
        ) : (
          <bdi>{sentenceText(item.source) || "(no words)"}</bdi>
        )}
        {muted && <small class="muted-heads">without {muted}</small>}
        {item.target && !item.mean_of && (
          <bdi class="target" title="Target sentence">
            → {sentenceText(item.target) || "(no words)"}
          </bdi>
        )}
      </span>
    </button>
  );
}

function Items({ kind, label, title, note, items }: ItemsProps) {
  const root = useInSight<HTMLElement>(probe.value?.index);
  return items.length === 0 ? null : (
    <section class={kind} aria-label={label} ref={root}>
      <h2>
        {title} <small>{note}</small>
      </h2>
      <ul class="items">
        {items.map((item) => (
          <li key={item.index}>
            <ProbeItem item={item} />
          </li>
        ))}
      </ul>
    </section>
  );
}

interface ItemsProps {
  readonly kind: "asked" | "probes" | "means";
  readonly label: string;
  readonly title: string;
  readonly note: string;
  readonly items: readonly Probe[];
}

export function ProbeList() {
  const many = nouns.value.probes;
  const { probes = [], means = [] } = recording.value ?? {};
  return (
    <>
      <Items
        kind="asked"
        label={`Asked ${many}`}
        title={`Asked ${many}`}
        note="added later"
        items={probes.filter(({ split }) => split === "asked")}
      />
      <Items
        kind="probes"
        label={`Probe ${many}`}
        title={`Probe ${many}`}
        note="same at every step"
        items={probes.filter(({ split }) => split !== "asked")}
      />
      <Items
        kind="means"
        label={`Means over ${many}`}
        title="Means"
        note="over equal lengths"
        items={means}
      />
    </>
  );
}
