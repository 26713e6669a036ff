// The address bar. Inside TensorBoard the tab owns the keys `p.attn_monitor.*` of the page's hash;
// standalone it owns its own hash. The host offers no message for this that works (see the docs).
import type { Pairs } from "./url_codes";

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

let tab = false; // whether this is TensorBoard's tab rather than a page of its own
let kept: string | null = null; // the hash, while the page's address may not be changed

/** Say that the frame around this one is TensorBoard's; any other host's page is left alone. */
export function insideTensorBoard(): void {
  tab = true;
}

/** The page whose address people copy: TensorBoard's, or this one when it stands by itself. */
export function addressWindow(): Window {
  try {
    // Reading the hash throws when the parent is another site's page.
    return tab && typeof window.parent.location.hash === "string" ? window.parent : window;
  } catch {
    return window;
  }
}

const currentHash = (): string => kept ?? addressWindow().location.hash;

export const currentPairs = (): Pairs => readHash(currentHash());

/** What to open to see this again; null where no address says it. */
export const currentAddress = (): string | null =>
  kept === null ? addressWindow().location.href : null;

/**
 * Replace the address without a history entry; slider moves must not fill the back button. Says
 * whether that is done: some browsers refuse it for a while (Safari after 100 in 30 s).
 */
export function replacePairs(pairs: Pairs): boolean {
  const page = addressWindow();
  const { pathname, search, protocol } = page.location;
  const hash = currentHash();
  const next = writeHash(hash, pairs);
  if (next === hash && kept === null) {
    return true;
  }
  try {
    page.history.replaceState(page.history.state, "", `${pathname}${search}${next}`);
    kept = null;
    return true;
  } catch {
    kept = next;
    return protocol === "about:"; // a frame's `srcdoc` never has an address of its own
  }
}

/** Called when the user edits the address or goes back; returns how to stop listening. */
export function onAddressChange(listener: () => void): () => void {
  const page = addressWindow();
  page.addEventListener("hashchange", listener);
  return () => page.removeEventListener("hashchange", listener);
}
