// The address bar. Inside TensorBoard the tab owns the keys `p.attn_monitor.*` of the page's hash;
// standalone it owns its own hash. The host offers no message for this that works (see the docs).
import type { Pairs } from "./url";

export const PLUGIN = "attn_monitor";
const PREFIX = `p.${PLUGIN}.`;

const decodeSafe = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a half-typed %-sequence
  }
};

/** The tab's own pairs in a hash such as `#attn_monitor&p.attn_monitor.step=7`. */
export function readHash(hash: string): Pairs {
  const pairs: Record<string, string> = {};
  for (const item of hash.replace(/^#/, "").split("&")) {
    const cut = item.indexOf("=");
    if (cut > 0 && item.startsWith(PREFIX)) {
      pairs[decodeSafe(item.slice(PREFIX.length, cut))] = decodeSafe(item.slice(cut + 1));
    }
  }
  return pairs;
}

/** The hash with the tab's pairs replaced; every other item stays where it was. */
export function writeHash(hash: string, pairs: Pairs): string {
  const items = hash.replace(/^#/, "").split("&");
  const foreign = items.filter((item) => !item.startsWith(PREFIX));
  const first = foreign[0] || PLUGIN;
  const own = Object.entries(pairs).map(
    ([key, value]) => `${PREFIX}${key}=${encodeURIComponent(value)}`,
  );
  return `#${[first, ...foreign.slice(1), ...own].join("&")}`;
}

/** The page whose address people copy: TensorBoard's, or the tab itself when opened alone. */
export function addressWindow(): Window {
  try {
    // Reading the hash throws when the parent is another site's page.
    return typeof window.parent.location.hash === "string" ? window.parent : window;
  } catch {
    return window;
  }
}

export const currentPairs = (): Pairs => readHash(addressWindow().location.hash);

/** Replace the address without a history entry; slider moves must not fill the back button. */
export function replacePairs(pairs: Pairs): void {
  const page = addressWindow();
  const { pathname, search, hash } = page.location;
  const next = writeHash(hash, pairs);
  if (next !== hash) {
    page.history.replaceState(page.history.state, "", `${pathname}${search}${next}`);
  }
}

/** Called when the user edits the address or goes back; returns how to stop listening. */
export function onAddressChange(listener: () => void): () => void {
  const page = addressWindow();
  page.addEventListener("hashchange", listener);
  return () => page.removeEventListener("hashchange", listener);
}
