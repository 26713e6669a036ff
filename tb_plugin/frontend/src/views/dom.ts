// Nodes with their attributes in one call. Text is always a text node, never markup.

const SVG = "http://www.w3.org/2000/svg";

export type Attributes = Readonly<Record<string, string | number | null>>;

export function setAll(node: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null) {
      node.removeAttribute(name);
    } else {
      node.setAttribute(name, String(value));
    }
  }
}

/** Set an attribute only when it differs: the browser redraws what is set to what it was. */
export function setChanged(node: Element, name: string, value: string): void {
  if (node.getAttribute(name) !== value) {
    node.setAttribute(name, value);
  }
}

export function html<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const node = document.createElement(tag);
  setAll(node, attributes);
  node.append(...children);
  return node;
}

export function svg<Tag extends keyof SVGElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): SVGElementTagNameMap[Tag] {
  const node = document.createElementNS(SVG, tag);
  setAll(node, attributes);
  node.append(...children);
  return node;
}

/** The picture of an image's patch, square and with its pixels in sight. */
export function thumbnail(
  address: string,
  name: string,
  { x, y, edge }: { readonly x: number; readonly y: number; readonly edge: number },
): SVGImageElement {
  const what = { class: "thumbnail", role: "img", "aria-label": name, href: address };
  return svg("image", { ...what, x, y, width: edge, height: edge });
}

/** Set text only when it differs, so that an unchanged label costs no layout. */
export function setText(node: Element, text: string): void {
  if (node.textContent !== text) {
    node.textContent = text;
  }
}

/** A head's number on its hue: colour alone never names a head. */
export function headBadge(head: number): HTMLElement {
  const badge = html("span", { class: "head-badge" }, String(head + 1));
  badge.style.setProperty("--hue", `var(--head-${head % 16})`);
  badge.style.setProperty("--ground", `var(--head-ground-${head % 16})`);
  return badge;
}
