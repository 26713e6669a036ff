// The widget's module, for any notebook that knows anywidget: a frame with the page of offline.ts
// in it, and what passes questions on to the kernel.
import { type Look, PORT, type Question, READY, type Reply } from "./api/notebook_port";
import { unpacked } from "./api/packed";

interface Model {
  get(name: "height"): number;
  send(content: unknown): void;
  on(event: "msg:custom", heard: Heard): void;
  off(event: "msg:custom", heard: Heard): void;
}

type Heard = (content: unknown, buffers: readonly DataView<ArrayBuffer>[]) => void;

/** The page may run its script and save files; it has no origin, and so nothing of the notebook's. */
const SANDBOX = "allow-scripts allow-downloads";
const DARK = ["vscode-dark", "vscode-high-contrast", "dark", "dark-theme", "dark-mode"];

function isDark(): boolean {
  const { body, documentElement: root } = document;
  return (
    body.dataset.jpThemeLight === "false" ||
    [body, root].some(({ classList }) => DARK.some((name) => classList.contains(name)))
  );
}

/** Calls back whenever the notebook's theme may have changed; returns how to stop. */
function onTheme(changed: () => void): () => void {
  const observer = new MutationObserver(changed);
  const attributes = { attributes: true, attributeFilter: ["class", "data-jp-theme-light"] };
  observer.observe(document.body, attributes);
  observer.observe(document.documentElement, attributes);
  return () => observer.disconnect();
}

function render({ model, el }: { readonly model: Model; readonly el: HTMLElement }): () => void {
  // Several views of one model hear all of its messages. (randomUUID is missing over plain HTTP.)
  const view = Math.random().toString(36).slice(2);
  const frame = document.createElement("iframe");
  frame.title = "Attention";
  frame.setAttribute("sandbox", SANDBOX);
  frame.style.cssText = `display: block; width: 100%; height: ${model.get("height")}px; border: 0`;
  let port: MessagePort | null = null;

  const tell = (): void => port?.postMessage({ dark: isDark() } satisfies Look);
  const heard: Heard = async (content, buffers) => {
    const { to, id, message } = content as Record<string, unknown>;
    if (to !== view || typeof id !== "number") {
      return;
    }
    const [buffer] = buffers;
    const packed =
      buffer && new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength).slice();
    if (id === 0) {
      if (packed) {
        frame.srcdoc = new TextDecoder().decode(await unpacked(packed));
      } else {
        el.textContent = String(message);
      }
    } else {
      port?.postMessage({
        id,
        ...(packed ? { packed } : { message: String(message) }),
      } satisfies Reply);
    }
  };
  const greet = (event: MessageEvent): void => {
    if (event.source !== frame.contentWindow || event.data !== READY) {
      return;
    }
    const channel = new MessageChannel();
    port?.close();
    port = channel.port1;
    port.onmessage = ({ data: { id, question } }: MessageEvent<Question>) =>
      model.send({ to: view, id, question });
    // A page without an origin has no name to send to; the frame holds no other.
    frame.contentWindow?.postMessage(PORT, "*", [channel.port2]);
    tell();
  };

  model.on("msg:custom", heard);
  addEventListener("message", greet);
  const stop = onTheme(tell);
  el.append(frame);
  model.send({ to: view, id: 0, question: "page" });
  return () => {
    stop();
    removeEventListener("message", greet);
    model.off("msg:custom", heard);
    port?.close();
    frame.remove();
  };
}

// biome-ignore lint/style/noDefaultExport: what anywidget looks for
export default { render };
