import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Run, StepEntry } from "../../src/core/recording";
import { type Mirror, startMirror } from "../../src/state/mirror";
import * as store from "../../src/state/store";
import { INITIAL } from "../../src/state/view_state";

const step = (at: number): StepEntry => ({
  step: at,
  epoch: 0,
  maps: true,
  v: `s.${at}`,
  scalars: {},
});

const recording = (name: string, steps: number[]): Run => ({
  name,
  session: "s",
  version: name,
  parts: [],
  metrics: [],
  probes: [],
  steps: steps.map(step),
  options: {},
  problems: [],
});

/** A page whose address changes at once and says so when a test wants it, as browsers do. */
class Page {
  readonly location = { hash: "", pathname: "/", search: "", protocol: "http:" };
  refuses = false;
  readonly history = {
    state: null,
    replaceState: (_: unknown, __: string, address: string) => {
      if (this.refuses) {
        throw new DOMException("too many changes", "SecurityError");
      }
      this.location.hash = address.slice(address.indexOf("#"));
    },
  };
  private listener: () => void = () => undefined;
  addEventListener = (_: string, listener: () => void): void => {
    this.listener = listener;
  };
  removeEventListener = (): void => undefined;
  tell = (): void => this.listener();
}

const hash = (pairs: string): string =>
  `#attn_monitor&${pairs
    .split("&")
    .map((pair) => `p.attn_monitor.${pair}`)
    .join("&")}`;

let page: Page;
let mirror: Mirror;

const written = (): Promise<unknown> => vi.advanceTimersByTimeAsync(1000);

beforeEach(async () => {
  vi.useFakeTimers();
  page = new Page();
  vi.stubGlobal("window", page);
  page.location.hash = hash("run=one&step=10");
  const runs = ["one", "two"].map((name) => ({
    name,
    version: name,
    steps: 2,
    state: "ok" as const,
    message: null,
  }));
  store.index.value = { kind: "ready", value: { version: "1", runs, notice: null } };
  store.run.value = { kind: "ready", value: recording("one", [0, 10]) };
  mirror = startMirror();
  await written();
});
afterEach(() => {
  mirror.stop();
  store.view.value = INITIAL;
  store.index.value = { kind: "idle" };
  store.run.value = { kind: "idle" };
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("startMirror", () => {
  it("never writes over an address that has changed and is still to say so", async () => {
    store.select({ step: 10 }); // waits to be written
    page.location.hash = hash("run=one&step=0");
    await written();
    page.tell();
    await written();
    expect(store.view.value.step).toBe(0);
    expect(page.location.hash).toBe(hash("run=one&step=0"));
  });

  it("keeps the chosen run in the address while another is still on screen", async () => {
    page.location.hash = hash("run=two&step=5&probe=1");
    page.tell();
    await written();
    expect(page.location.hash).toBe(hash("run=two&probe=1&step=5"));
    // Back, before the answer is here.
    page.location.hash = hash("run=one&step=0");
    page.tell();
    await written();
    expect(store.view.value).toMatchObject({ run: "one", step: 0 });
  });

  it("spells out what is on screen where nothing was chosen", async () => {
    page.location.hash = hash("view=heads");
    page.tell();
    await written();
    expect(page.location.hash).toBe(hash("view=heads&run=one&step=10"));
  });

  it("does not take back a choice when another part of the address changes", async () => {
    store.select({ step: 0 });
    page.location.hash += "&darkMode=true";
    page.tell();
    expect(store.view.value.step).toBe(0);
    await written();
    expect(page.location.hash).toBe(
      "#attn_monitor&darkMode=true&p.attn_monitor.run=one&p.attn_monitor.step=0",
    );
  });

  it("writes the address once the browser takes changes again, and then follows it", async () => {
    page.refuses = true;
    store.select({ step: 0 });
    await written();
    expect(store.view.value.step).toBe(0);
    expect(page.location.hash).toBe(hash("run=one&step=10"));
    page.refuses = false;
    await vi.advanceTimersByTimeAsync(6000);
    expect(page.location.hash).toBe(hash("run=one&step=0"));
    page.location.hash = hash("run=one&step=10");
    page.tell();
    expect(store.view.value.step).toBe(10);
  });
});
