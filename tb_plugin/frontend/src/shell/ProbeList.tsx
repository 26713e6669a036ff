import { wholeImage } from "../core/patches";
import type { Probe } from "../core/recording";
import { sentenceText, tokenText } from "../scale/text";
import { nouns } from "../state/derived/nouns";
import { probe, recording, select } from "../state/store";

function ProbeItem({ item }: { readonly item: Probe }) {
  const split = item.split === "val" ? "validation" : "training";
  return (
    <button
      type="button"
      class="item"
      aria-pressed={item.index === probe.value?.index}
      onClick={() => select({ probe: item.index, lock: null, pin: null })}
    >
      <span class={`split ${item.split}`} title={`Drawn from the ${split} set`}>
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
