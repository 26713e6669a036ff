// The words of the chosen cluster of each side: ranked bars, or a cloud as in SANVis.
import type { LensSide, LensWord } from "../../core/headlens";
import { placeWords, wordShare } from "../../layout/lens/word_cloud";
import { percent } from "../../scale/format";
import type { Theme } from "../../scale/head_colours";
import { tagColour, tagInk, tagName } from "../../scale/pos";
import { tokenText } from "../../scale/text";
import { svg } from "../dom";
import { fitLabel, textWidth } from "../measure";

export interface WordsProps {
  readonly side: LensSide;
  readonly cluster: number;
  /** "Query", "Key", "Value". */
  readonly name: string;
  readonly note: string;
  readonly theme: Theme;
  readonly form: "bars" | "cloud";
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

const TITLE = 20;
const PITCH = 15;

export function drawWords(props: WordsProps): SVGGElement {
  const { side, cluster, name, form, x, y, width } = props;
  const words = side.profile.words[cluster] ?? [];
  const size = side.profile.size[cluster] ?? 0;
  const title = `${name} cluster ${cluster + 1}`;
  return svg(
    "g",
    { transform: `translate(${x},${y})`, class: "lens-words", role: "group", "aria-label": title },
    svg("text", { class: "lens-title", x: 0, y: 12 }, title),
    svg("text", { class: "lens-count", x: width, y: 12 }, noteBeside(title, props, size)),
    ...(form === "cloud" ? drawCloud(words, size, props) : drawBars(words, size, props)),
  );
}

/** What fits beside the title: the note whole, its figure, or nothing. */
function noteBeside(title: string, { note, width }: WordsProps, size: number): string {
  const whole = note || `${size} tokens`;
  const room = width - textWidth(title, 12, 500) - 8;
  const figure = whole.replace(/ (of attention|tokens|the mean)$|^takes home /g, "");
  return [whole, figure].find((text) => textWidth(text, 11) <= room) ?? "";
}

const explain = ({ text, count, tag }: LensWord, size: number): SVGTitleElement =>
  svg("title", {}, `${tokenText(text)}: ${count} of ${size} tokens, mostly ${tagName(tag)}`);

function drawCloud(words: readonly LensWord[], size: number, props: WordsProps): SVGElement[] {
  const shown = words.map((word) => ({
    ...word,
    text: fitLabel(tokenText(word.text), props.width / 2).text,
  }));
  const box = { width: props.width, height: props.height - TITLE };
  return placeWords(shown, size, box, (text, px) => textWidth(text, px, 500)).map((word) =>
    svg(
      "text",
      {
        class: "lens-cloud",
        x: word.x,
        y: TITLE + word.y,
        style: `font-size:${word.size.toFixed(1)}px;fill:${tagInk(word.tag, props.theme)}`,
        "data-count": word.count,
      },
      word.text,
      explain(word, size),
    ),
  );
}

function drawBars(words: readonly LensWord[], size: number, props: WordsProps): SVGElement[] {
  const { width, theme } = props;
  const left = Math.min(90, width * 0.45);
  const fits = Math.floor((props.height - TITLE) / PITCH);
  return words.slice(0, fits).map((word, at) => {
    const fill = tagColour(word.tag, theme);
    return svg(
      "g",
      { transform: `translate(0,${TITLE + at * PITCH})` },
      svg("rect", { width: 7, height: 10, y: 1, fill }),
      svg(
        "text",
        { class: "lens-word", x: 12, y: 10 },
        fitLabel(tokenText(word.text), left - 16).text,
      ),
      svg("rect", {
        x: left,
        y: 1,
        width: Math.max(1, (width - left - 34) * wordShare(word.count, size)),
        height: 9,
        fill,
      }),
      svg(
        "text",
        { class: "lens-count", x: width, y: 10 },
        percent(word.count / Math.max(1, size)),
      ),
      explain(word, size),
    );
  });
}
