import { afterEach, expect, it, vi } from "vitest";
import { overHttp } from "../../src/api/http";

afterEach(() => vi.unstubAllGlobals());

const said = (body: string, type: string): Promise<unknown> => {
  const headers = { "content-type": type };
  vi.stubGlobal("fetch", async () => new Response(body, { status: 500, headers }));
  return overHttp()("run?run=a", new AbortController().signal);
};

it("passes on the server's own sentence, and no page of whoever stands before it", async () => {
  await expect(said("no such run", "text/plain; charset=utf-8")).rejects.toThrow(/^no such run$/);
  await expect(said("<!doctype html><h1>Bad gateway</h1>", "text/html")).rejects.toThrow(
    /^The server answered 500; /,
  );
});
