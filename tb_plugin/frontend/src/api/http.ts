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
      const text = (await reply.text()).slice(0, 500);
      throw new ServerError(reply.status, text || `the server answered ${reply.status}`);
    }
    return reply.arrayBuffer();
  };
}
