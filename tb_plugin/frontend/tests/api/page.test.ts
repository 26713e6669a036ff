import { describe, expect, it } from "vitest";
import { type Answer, insidePage } from "../../src/api/page";
import { dataSource } from "../../src/api/source";

const NAME = "weird run/ünï #1 & <b> ~*";

async function answer(question: string, value: unknown): Promise<Answer> {
  const packed = new Blob([JSON.stringify(value)])
    .stream()
    .pipeThrough(new CompressionStream("deflate"));
  const bytes = new Uint8Array(await new Response(packed).arrayBuffer());
  return { dataset: { question }, textContent: btoa(String.fromCharCode(...bytes)) };
}

const live = new AbortController().signal;

// As Python's urlencode spells them: other characters are escaped than by URLSearchParams.
const RUN = "run?run=weird+run%2F%C3%BCn%C3%AF+%231+%26+%3Cb%3E+~%2A";
const PILES = "piles?part=encoder&run=a&step=5";

describe("answers inside a page", async () => {
  const answers = [await answer(RUN, { name: NAME }), await answer(PILES, "piles")];
  const source = dataSource(insidePage(answers));

  it("are found by name however it was escaped", async () => {
    expect(await source.run(NAME, live)).toEqual({ name: NAME });
  });

  it("are found whatever the order of parameters and the version of the step", async () => {
    const query = { run: "a", step: 5, version: "s.0", part: "encoder" };
    expect(await source.piles(query, live)).toBe("piles");
  });

  it("say what was left out", async () => {
    const query = { run: "a", step: 6, version: "s.0", part: "encoder" };
    await expect(source.piles(query, live)).rejects.toThrow(
      "The piles of this step are not in this file; the recording itself may have it.",
    );
  });

  it("are whole maps where a rectangle is asked for, since the page holds nothing else", async () => {
    const ask = insidePage([await answer("attention?part=encoder&probe=0&run=a&step=5", "maps")]);
    const question = "attention?run=a&step=5&part=encoder&probe=0&layers=0,1&rows=0:64&keys=0:64";
    expect(new TextDecoder().decode(await ask(question, live))).toBe('"maps"');
  });

  it("do not arrive after the question was withdrawn", async () => {
    await expect(source.run(NAME, AbortSignal.abort())).rejects.toThrow(/abort/i);
  });
});
