// Answers from the plugin's own routes.
import type { Ask } from "./source";

/** A request the server answered with an error; the message is the server's own sentence. */
export class ServerError extends Error {
  override readonly name = "ServerError";

  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** Ask the server; addresses are relative to the page so that any path prefix works. */
export function overHttp(base = "./"): Ask {
  return async (question, signal) => {
    const reply = await fetch(base + question, { signal });
    if (!reply.ok) {
      throw new ServerError(reply.status, await sentenceOf(reply));
    }
    return reply.arrayBuffer();
  };
}

/** The server's own sentence; a page is what TensorBoard or a proxy says of a fault it does not know. */
async function sentenceOf(reply: Response): Promise<string> {
  const isText = reply.headers.get("content-type")?.startsWith("text/plain");
  const text = isText ? (await reply.text()).slice(0, 500) : "";
  return (
    text || `The server answered ${reply.status}; what it or a proxy wrote to its log says why.`
  );
}
