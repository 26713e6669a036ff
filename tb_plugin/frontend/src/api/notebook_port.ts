// Answers from a notebook's kernel. The page stands in a frame of its own; the widget's module
// around it hands questions to the kernel, and the port between the two is all that they share.
import { unpacked } from "./packed";
import type { Ask } from "./source";

/** What the page and the widget's module say to each other before they have a port. */
export const READY = "attn_monitor:ready";
export const PORT = "attn_monitor:port";

export interface Question {
  readonly id: number;
  readonly question: string;
}

export interface Reply {
  readonly id: number;
  /** Deflated; absent where there is none. */
  readonly packed?: Uint8Array<ArrayBuffer>;
  /** Why there is no answer. */
  readonly message?: string;
}

/** Where the widget's module says whether the notebook is dark. */
export interface Look {
  readonly dark: boolean;
}

/** Ask for a port to the kernel and wait for it. */
export function portOfNotebook(): Promise<MessagePort> {
  return new Promise((resolve) => {
    const receive = (event: MessageEvent): void => {
      const [port] = event.ports;
      if (event.source === window.parent && event.data === PORT && port) {
        removeEventListener("message", receive);
        resolve(port);
      }
    };
    addEventListener("message", receive);
    window.parent.postMessage(READY, "*");
  });
}

/** Ask the kernel; it answers once it is not busy with a cell, or at once where it can do both. */
export function overPort(port: MessagePort, onLook: (look: Look) => void = () => {}): Ask {
  const waiting = new Map<number, (reply: Reply) => void>();
  let asked = 0;
  port.onmessage = ({ data }: MessageEvent<Reply | Look>) => {
    if ("dark" in data) {
      onLook(data);
    } else {
      waiting.get(data.id)?.(data);
    }
  };
  return async (question, signal) => {
    signal.throwIfAborted();
    asked += 1;
    const id = asked;
    const reply = await new Promise<Reply>((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      waiting.set(id, resolve);
      port.postMessage({ id, question } satisfies Question);
    }).finally(() => waiting.delete(id));
    if (reply.packed === undefined) {
      throw new Error(reply.message ?? "the kernel gave no answer");
    }
    const bytes = await unpacked(reply.packed);
    signal.throwIfAborted();
    return bytes;
  };
}
