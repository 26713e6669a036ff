import { wholeImage } from "../core/patches";
import { nearestStep, type Probe } from "../core/recording";
import { headTitle } from "../scale/format";
import { sentenceText, tokenText } from "../scale/text";
import { nouns } from "../state/derived/nouns";
import { entry, probe, recording, select } from "../state/store";

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
        {item.source.image ? (
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
        {item.target && (
          <bdi class="target" title="Target sentence">
            → {sentenceText(item.target) || "(no words)"}
          </bdi>
        )}
      </span>
    </button>
  );
}

export function ProbeList() {
  const probes = recording.value?.probes ?? [];
  if (probes.length === 0) {
    return null;
  }
  return (
    <section class="probes" aria-label={`Probe ${nouns.value.probes}`}>
      <h2>
        Probe {nouns.value.probes} <small>same at every step</small>
      </h2>
      <ul class="items">
        {probes.map((item) => (
          <li key={item.index}>
            <ProbeItem item={item} />
          </li>
        ))}
      </ul>
    </section>
  );
}
