// A view as one self-contained SVG: its own SVG parts, its canvases as images, its HTML as text.
import { html, setAll, svg } from "../views/dom";

/** What a reader of a figure cannot use: controls, invisible targets, pop-ups. */
const LEFT_OUT = "button, select, input, .segments, .cut, .bar-slot, .tip, .popup, [hidden]";

const STYLES = [
  "fill",
  "stroke",
  "stroke-width",
  "stroke-dasharray",
  "stroke-linejoin",
  "opacity",
  "paint-order",
  "font-family",
  "font-size",
  "font-weight",
  "text-anchor",
] as const;

interface Origin {
  readonly x: number;
  readonly y: number;
}

const CAPTION_LINE = 18;

/** Draw everything inside `root`, and below it what it is of; `ground` is the colour behind it. */
export function composeSvg(
  root: HTMLElement,
  ground: string,
  caption: readonly string[] = [],
): SVGSVGElement {
  const box = root.getBoundingClientRect();
  const width = Math.ceil(root.scrollWidth);
  const below = Math.ceil(root.scrollHeight);
  const height = below + (caption.length > 0 ? CAPTION_LINE * (caption.length + 0.5) : 0);
  const style = getComputedStyle(root);
  const lines = caption.map((line, at) => {
    const text = svg("text", {}, line);
    setAll(text, {
      x: 14,
      y: below + CAPTION_LINE * (at + 0.75),
      fill: style.color,
      "font-family": style.fontFamily,
      "font-size": "12px",
    });
    return text;
  });
  const figure = svg("svg", {
    xmlns: "http://www.w3.org/2000/svg",
    width,
    height,
    viewBox: `0 0 ${width} ${height}`,
  });
  figure.append(svg("rect", { width, height, fill: ground }), ...drawElement(root, box), ...lines);
  return figure;
}

function drawElement(element: Element, origin: Origin): SVGElement[] {
  if (element.matches(LEFT_OUT) || getComputedStyle(element).display === "none") {
    return [];
  }
  if (element instanceof SVGSVGElement) {
    return [drawPicture(element, origin)];
  }
  if (element instanceof HTMLCanvasElement) {
    return [drawCanvas(element, origin)];
  }
  const inside = [...element.childNodes].flatMap((child) => {
    if (child instanceof Text) {
      return drawText(child, element, origin);
    }
    return child instanceof Element ? drawElement(child, origin) : [];
  });
  return [...drawBox(element, origin), ...inside];
}

/** Copy an SVG part with the styles the page gives it, so that it needs no style sheet. */
function drawPicture(picture: SVGSVGElement, origin: Origin): SVGElement {
  const box = picture.getBoundingClientRect();
  const group = svg("g", { transform: `translate(${box.x - origin.x},${box.y - origin.y})` });
  group.append(...[...picture.children].flatMap((child) => copyStyled(child)));
  return group;
}

function copyStyled(node: Element): Node[] {
  if (node.matches(LEFT_OUT)) {
    return [];
  }
  const copy = node.cloneNode(false);
  if (!(copy instanceof SVGElement)) {
    return [];
  }
  const computed = getComputedStyle(node);
  copy.removeAttribute("class");
  copy.removeAttribute("style");
  for (const name of STYLES) {
    copy.style.setProperty(name, computed.getPropertyValue(name));
  }
  for (const child of node.childNodes) {
    copy.append(...(child instanceof Element ? copyStyled(child) : [child.cloneNode()]));
  }
  return [copy];
}

function drawCanvas(canvas: HTMLCanvasElement, origin: Origin): SVGElement {
  const box = canvas.getBoundingClientRect();
  const place = { x: box.x - origin.x, y: box.y - origin.y, width: box.width, height: box.height };
  const image = svg("image", { ...place, href: canvas.toDataURL("image/png") });
  const title = canvas.getAttribute("aria-label");
  if (title) {
    image.append(svg("title", {}, title));
  }
  const border = svg("rect", { ...place, fill: "none", stroke: "#8884", "stroke-width": 1 });
  return svg("g", {}, image, border);
}

/** The ground of a badge or a note, and a badge's underline. */
function drawBox(element: Element, origin: Origin): SVGElement[] {
  const style = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  const place = { x: box.x - origin.x, y: box.y - origin.y, width: box.width };
  const shapes: SVGElement[] = [];
  if (element.matches(".head-badge, .link-note")) {
    shapes.push(svg("rect", { ...place, height: box.height, fill: style.backgroundColor }));
  }
  if (element.matches(".head-badge")) {
    const line = Number.parseFloat(style.borderBottomWidth);
    const fill = style.borderBottomColor;
    shapes.push(svg("rect", { ...place, y: place.y + box.height - line, height: line, fill }));
  }
  return shapes;
}

function drawText(node: Text, parent: Element, origin: Origin): SVGElement[] {
  const lines = node.data.split("\n").map((line) => line.trim());
  const range = document.createRange();
  range.selectNodeContents(node);
  const box = range.getBoundingClientRect();
  if (box.width === 0 || node.data.trim() === "") {
    return [];
  }
  const style = getComputedStyle(parent);
  const pitch = box.height / lines.length;
  return lines.map((line, at) => {
    const text = svg("text", {}, line);
    setAll(text, {
      x: box.x - origin.x + box.width / 2,
      y: box.y - origin.y + (at + 0.5) * pitch,
      "text-anchor": "middle",
      "dominant-baseline": "central",
      fill: style.color,
      "font-family": style.fontFamily,
      "font-size": style.fontSize,
      "font-weight": style.fontWeight,
    });
    return text;
  });
}

export const svgText = (figure: SVGSVGElement): string =>
  new XMLSerializer().serializeToString(figure);

/** The picture as PNG at twice its size; `fonts` is a style sheet with embedded fonts. */
export async function svgToPng(figure: SVGSVGElement, fonts: string): Promise<Blob> {
  const scale = 2;
  const styled = figure.cloneNode(true);
  if (styled instanceof SVGSVGElement) {
    styled.prepend(svg("style", {}, fonts));
  }
  const image = new Image();
  const text = new XMLSerializer().serializeToString(styled);
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await image.decode();
  const canvas = html("canvas", {
    width: scale * figure.width.baseVal.value,
    height: scale * figure.height.baseVal.value,
  });
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the picture is too large"))));
  });
}
