// What is wrong with the words that are seen: [theme] -> sentences. Run inside the tab's frame.
([theme]) => {
  const found = new Set();
  const channel = (value) => {
    const part = value / 255;
    return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  };
  const brightness = ([r, g, b]) =>
    0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const numbers = (colour) => (colour.match(/[\d.]+/g) ?? []).map(Number);
  const groundOf = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const [r, g, b, a = 1] = numbers(getComputedStyle(at).backgroundColor);
      if (a > 0.9) {
        return [r, g, b];
      }
    }
    return theme === "dark" ? [33, 35, 38] : [255, 255, 255];
  };
  const seen = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const text = node.textContent.trim();
    const element = node.parentElement;
    if (text === "" || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) {
      continue;
    }
    if (element.closest("option, select, .sr-only, script, style, title, [aria-hidden=true].hidden")) {
      continue;
    }
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const whole of range.getClientRects()) {
      const box = { left: whole.left, right: whole.right, top: whole.top, bottom: whole.bottom };
      if (whole.width < 2 || whole.height < 2 || box.right < 0 || box.bottom < 0) {
        continue;
      }
      if (box.left > innerWidth || box.top > innerHeight) {
        continue;
      }
      const x = whole.left + whole.width / 2;
      const y = whole.top + whole.height / 2;
      let clip = null;
      for (let at = element; at && at !== document.body; at = at.parentElement) {
        const style = getComputedStyle(at);
        if (style.overflowX !== "visible" || style.overflowY !== "visible") {
          const outer = at.getBoundingClientRect();
          if (x < outer.left || x > outer.right || y < outer.top || y > outer.bottom) {
            clip = "gone";
            break;
          }
          const scrolls = /auto|scroll/.test(style.overflowX + style.overflowY);
          if (!scrolls && whole.right > outer.right + 1 && clip === null) {
            clip = "cut";
          }
          // What is cut off covers nothing.
          box.left = Math.max(box.left, outer.left);
          box.right = Math.min(box.right, outer.right);
          box.top = Math.max(box.top, outer.top);
          box.bottom = Math.min(box.bottom, outer.bottom);
        }
      }
      if (clip === "gone") {
        continue;
      }
      const title = element.closest("[title], [aria-label]");
      if (clip === "cut" && !title) {
        found.add(`cut off: "${text.slice(0, 60)}" (${element.className || element.tagName})`);
      }
      // A turned label's box is far larger than its words.
      if (!element.closest("[transform*=rotate]") && !/rotate|matrix\(0/.test(getComputedStyle(element).transform)) {
        seen.push({ text, element, box });
      }
      const style = getComputedStyle(element);
      const isSvg = element instanceof SVGElement;
      const ink = numbers(isSvg ? style.fill : style.color);
      if (ink.length >= 3 && (ink[3] ?? 1) > 0.5 && !element.closest(":disabled, .cell, .token-box, .fob")) {
        const [a, b] = [brightness(ink), brightness(groundOf(element))].sort((p, q) => q - p);
        const ratio = (a + 0.05) / (b + 0.05);
        if (ratio < 4.5) {
          found.add(`contrast ${ratio.toFixed(1)}: "${text.slice(0, 40)}" (${element.className.baseVal ?? element.className})`);
        }
      }
    }
  }
  for (let i = 0; i < seen.length; i++) {
    for (let j = i + 1; j < seen.length; j++) {
      const [a, b] = [seen[i], seen[j]];
      if (a.element === b.element || a.element.contains(b.element) || b.element.contains(a.element)) {
        continue;
      }
      const wide = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
      const high = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);
      if (wide > 2 && high > 5) {
        const over = document.elementFromPoint(
          Math.max(a.box.left, b.box.left) + wide / 2, Math.max(a.box.top, b.box.top) + high / 2);
        const layered = over && (a.element.closest("[role=dialog], .lens, .popup") !== b.element.closest("[role=dialog], .lens, .popup"));
        if (!layered) {
          found.add(`over each other: "${a.text.slice(0, 30)}" and "${b.text.slice(0, 30)}" (${wide.toFixed(0)} x ${high.toFixed(0)})`);
        }
      }
    }
  }
  return [...found].slice(0, 12);
}
