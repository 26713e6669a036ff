import { useRef } from "preact/hooks";
import { imageLayout, shownImage } from "../state/derived/image";
import { select, shown, view } from "../state/store";
import { createPictures } from "../views/heads/pictures";
import { selectHead } from "./actions";
import { headSource } from "./head_source";
import { theme } from "./theme";
import { useSize } from "./useSize";
import { ViewHost } from "./ViewHost";

/** Attention over the image, of all heads of all layers. */
export function HeadPictures() {
  const root = useRef<HTMLElement>(null);
  const viewport = useSize(root);
  const [image, source, found, now] = [
    shownImage.value,
    headSource.value,
    imageLayout.value,
    shown.value,
  ];
  const { pin, lock } = view.value;
  const middle = Math.floor((found?.places.length ?? 0) / 2);
  const first = found?.special[0]?.index ?? middle;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
    <section class="view" ref={root} tabIndex={0} aria-label="Attention over the image">
      {viewport && image && source && found && now && (
        <ViewHost
          create={createPictures}
          props={{
            width: viewport.width,
            theme: theme.value,
            part: now.part,
            maps: source.maps,
            scales: source.scales,
            image,
            places: found.places,
            special: found.special,
            query: pin ? Math.min(pin.index, found.places.length - 1) : first,
            label: source.label,
            selected: lock,
            onQuery: (index) => select({ pin: { axis: "query", index } }),
            onSelect: selectHead,
          }}
        />
      )}
    </section>
  );
}
