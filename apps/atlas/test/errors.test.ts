import { readFileSync } from "node:fs";
import { afterEach, expect, it } from "@jest/globals";
import { WarpError, warpErrorCodes } from "@warp/core";
import type { Service } from "../src/bootstrap.ts";
import { appOf } from "../src/http/app.ts";
import { statusOf } from "../src/http/errors.ts";
import { request } from "./request.ts";

const open: { close(): PromiseLike<unknown> }[] = [];
afterEach(async () => {
  for (const app of open.splice(0)) await app.close();
});

/** The routes before a node that does as told. */
const serviceOf = async (node: object): Promise<string> => {
  const app = appOf({ node } as unknown as Service, false);
  open.push(app);
  return await app.listen({ port: 0 });
};

const failing = (error: unknown) => ({
  get: async () => {
    throw error;
  },
});

it.each(warpErrorCodes)("%s of Warp has a status, and the answer names the code", async (code) => {
  const url = await serviceOf(failing(new WarpError(code, "as the test says", { key: "city:1", port: "store" })));
  const { status, body, headers } = await request(url, "GET", "/cities/1");
  expect(body).toMatchObject({ code, message: "as the test says", key: "city:1", port: "store" });
  expect(status).toBe(statusOf[code]);
  expect(headers.get("retry-after")).toBe(status === 503 ? "1" : null);
});

it("an unknown outcome is explained, and is not 503, which proxies repeat", async () => {
  const url = await serviceOf(failing(new WarpError("OUTCOME_UNKNOWN", "no reply")));
  const { status, body } = await request(url, "GET", "/cities/1");
  expect(status).toBe(502);
  expect(body.explanation).toContain("Idempotency-Key");
});

it("an error that is none of Warp's is 500, and its message stays here", async () => {
  const url = await serviceOf(failing(new TypeError("the password is 1234")));
  const { status, text } = await request(url, "GET", "/cities/1");
  expect(status).toBe(500);
  expect(text).not.toContain("1234");
});

it("a client that stays is waited for, one that leaves ends the call", async () => {
  const signals: AbortSignal[] = [];
  const client = new AbortController();
  let ended = (): void => {};
  const leftAlone = new Promise<void>((resolve) => {
    ended = resolve;
  });
  const set = async (_key: string, value: unknown, { signal }: { readonly signal: AbortSignal }) => {
    signals.push(signal);
    if (signals.length === 2) {
      signal.addEventListener("abort", ended);
      client.abort();
      await leftAlone;
    }
    // Long enough for a signal that is tied to the request's body to have fired.
    for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate);
    return value;
  };
  const url = await serviceOf({ set });
  const put = { method: "PUT", body: '{"name":"Rome"}', headers: { "content-type": "application/json" } };
  expect((await fetch(`${url}/cities/1`, put)).status).toBe(200);
  await expect(fetch(`${url}/cities/1`, { ...put, signal: client.signal })).rejects.toThrow();
  await leftAlone;
  expect(signals.map(({ aborted }) => aborted)).toEqual([false, true]);
});

it.each([
  [{ store: "up", bus: "up", sharedCache: "down", localCache: "up" }, 200, ["sharedCache"]],
  [{ store: "down", bus: "up", sharedCache: "up", localCache: "up" }, 503, ["store"]],
  [{ store: "up", bus: "down", sharedCache: "absent", localCache: "up" }, 503, ["bus"]],
])("with %j, /ready is %s and names %j", async (ports, expected, down) => {
  const url = await serviceOf({ status: () => ({ state: "open", ports }) });
  const { status, body } = await request(url, "GET", "/ready");
  expect([status, body.ready, body.down]).toEqual([expected, expected === 200, down]);
});

it("a node that is closed is not ready", async () => {
  const url = await serviceOf({ status: () => ({ state: "closed", ports: { store: "up" } }) });
  expect((await request(url, "GET", "/ready")).status).toBe(503);
});

it("the README has the table of codes and statuses", () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const missing = warpErrorCodes.filter(
    (code) => !new RegExp(`^\\| .*\`${code}\`.* \\| ${statusOf[code]} \\|`, "m").test(readme),
  );
  expect(missing).toEqual([]);
});
