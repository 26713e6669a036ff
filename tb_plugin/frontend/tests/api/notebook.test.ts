import { describe, expect, it } from "vitest";
import { overPort, type Question } from "../../src/api/notebook_port";

const live = new AbortController().signal;

async function packed(text: string): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** A kernel that answers in the order that it likes. */
function kernel() {
  const { port1, port2 } = new MessageChannel();
  const asked: Question[] = [];
  const heard: (() => void)[] = [];
  port2.onmessage = ({ data }) => {
    asked.push(data);
    heard.splice(0).forEach((tell) => {
      tell();
    });
  };
  const hears = async (count: number): Promise<void> => {
    while (asked.length < count) {
      await new Promise<void>((resolve) => heard.push(resolve));
    }
  };
  return { port: port1, asked, hears, say: (reply: unknown) => port2.postMessage(reply) };
}

const textOf = async (bytes: Promise<ArrayBuffer>): Promise<string> =>
  new TextDecoder().decode(await bytes);

describe("answers of a notebook's kernel", () => {
  it("find their question, whichever comes first", async () => {
    const { port, asked, hears, say } = kernel();
    const ask = overPort(port);
    const [one, two] = [ask("run?run=a", live), ask("index?", live)];
    await hears(2);
    expect(asked.map(({ question }) => question)).toEqual(["run?run=a", "index?"]);
    say({ id: asked[1]?.id, packed: await packed("the list") });
    say({ id: 99, packed: await packed("nobody's") });
    say({ id: asked[0]?.id, packed: await packed("the run") });
    expect(await textOf(one)).toBe("the run");
    expect(await textOf(two)).toBe("the list");
    port.close();
  });

  it("may be that there is none", async () => {
    const { port, asked, hears, say } = kernel();
    const answer = overPort(port)("lens?run=a", live);
    await hears(1);
    say({ id: asked[0]?.id, message: "step 7 is not recorded" });
    await expect(answer).rejects.toThrow("step 7 is not recorded");
    port.close();
  });

  it("are not waited for once the question was withdrawn", async () => {
    const { port } = kernel();
    const withdrawn = new AbortController();
    const answer = overPort(port)("index?", withdrawn.signal);
    withdrawn.abort();
    await expect(answer).rejects.toThrow(/abort/i);
    port.close();
  });

  it("come with the notebook's look", async () => {
    const { port, say } = kernel();
    const seen = new Promise((resolve) => overPort(port, resolve));
    say({ dark: true });
    expect(await seen).toEqual({ dark: true });
    port.close();
  });
});
