import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { configOf } from "../src/config.ts";
import { openApp } from "../src/http/app.ts";
import type { App } from "../src/http/type-provider.ts";
import { type Headers, type Method, request } from "./request.ts";

// The embedded default: PGlite in memory, a cache and a bus of this process.
let app: App;
let url: string;
beforeAll(async () => {
  app = await openApp(configOf({ NODE_NAME: "n1" }), false);
  url = await app.listen({ port: 0 });
});
afterAll(() => app.close());

const ask = (method: Method, path: string, body?: object | string, headers?: Headers) =>
  request(url, method, path, body, headers);

it.each([
  ["PUT", "/cities/1", "{", 400],
  ["PUT", "/cities/1", JSON.stringify({ name: "x".repeat(1_100_000) }), 413],
  ["GET", "/cities/%ZZ", undefined, 400],
  ["GET", `/cities/${"1".repeat(200)}`, undefined, 414],
] as const)(
  "a request that reaches no route is answered like every wrong one: %s %.14s",
  async (method, path, body, status) => {
    const answer = await ask(method, path, body, body === undefined ? {} : { "content-type": "application/json" });
    expect(answer).toMatchObject({ status, body: { code: "INVALID_REQUEST" } });
    expect(Object.keys(answer.body)).toEqual(["code", "message"]);
  },
);

describe("cities", () => {
  it("a city is written and read", async () => {
    const written = await ask("PUT", "/cities/1", { name: "Rome", country: "IT", population: 2_318_895 });
    const city = { cityId: 1, name: "Rome", country: "IT", population: 2_318_895 };
    expect(written).toMatchObject({ status: 200, body: city });
    expect(await ask("GET", "/cities/1")).toMatchObject({ status: 200, body: city });
  });

  it("a write changes the fields that it names, the others stay", async () => {
    await ask("PUT", "/cities/2", { name: "Oslo", temperature: 3 });
    expect(await ask("PUT", "/cities/2", { temperature: 4.5 })).toMatchObject({
      status: 200,
      body: { cityId: 2, name: "Oslo", temperature: 4.5 },
    });
  });

  it("a city that is not there is 404 with the code of Warp", async () => {
    expect(await ask("GET", "/cities/999")).toMatchObject({
      status: 404,
      body: { code: "NOT_FOUND", key: "city:999" },
    });
  });

  it("a city is told as it was at a date, in milliseconds or ISO", async () => {
    await ask("PUT", "/cities/3", { name: "Bonn", population: 1 });
    const between = Date.now() + 1;
    // The store dates in whole milliseconds: the second write must come after the date that is asked for.
    while (Date.now() <= between + 1) await new Promise(setImmediate);
    await ask("PUT", "/cities/3", { population: 2 });
    const iso = encodeURIComponent(new Date(between).toISOString());
    for (const at of [String(between), iso])
      expect(await ask("GET", `/cities/3?at=${at}`)).toMatchObject({ status: 200, body: { population: 1 } });
    expect(await ask("GET", "/cities/3")).toMatchObject({ body: { population: 2 } });
    expect((await ask("GET", "/cities/3?at=2001-01-01")).status).toBe(404);
  });

  it.each([
    ["/cities/rome", "params.id"],
    ["/cities/0", "params.id"],
    ["/cities/1?at=yesterday", "query.at"],
    ["/cities/1?when=0", "query"],
  ])("GET %s is 400 and names %s", async (path, part) => {
    const { status, body } = await ask("GET", path);
    expect([status, body.code]).toEqual([400, "INVALID_REQUEST"]);
    expect(body.message).toContain(part);
  });

  it.each([
    [{}, "at least one field"],
    [{ population: -1 }, "body.population"],
    [{ cityId: 5 }, "cityId"],
    [{ loc: { type: "Point", coordinates: [200, 0] } }, "body.loc.coordinates.0"],
    ["{", ""],
  ])("PUT %j is 400", async (payload, words) => {
    const { status, body } = await ask("PUT", "/cities/4", payload, { "content-type": "application/json" });
    expect(status).toBe(400);
    expect(body.message).toContain(words);
  });
});

describe("views", () => {
  it("are counted, all of them", async () => {
    expect(await ask("GET", "/cities/10/views")).toMatchObject({ status: 200, body: { cityId: 10, views: 0 } });
    await Promise.all(Array.from({ length: 20 }, () => ask("POST", "/cities/10/views")));
    expect(await ask("GET", "/cities/10/views")).toMatchObject({ status: 200, body: { cityId: 10, views: 20 } });
  });

  it("a request that is repeated with its Idempotency-Key counts once", async () => {
    const key = { "idempotency-key": "visit-1" };
    for (let times = 0; times < 3; times++)
      expect((await ask("POST", "/cities/11/views", undefined, key)).status).toBe(200);
    await ask("POST", "/cities/11/views", undefined, { "idempotency-key": "visit-2" });
    expect(await ask("GET", "/cities/11/views")).toMatchObject({ body: { views: 2 } });
  });
});

describe("transfers", () => {
  beforeAll(async () => {
    await ask("PUT", "/cities/20", { name: "A", population: 100 });
    await ask("PUT", "/cities/21", { name: "B", population: 0 });
  });

  it("take inhabitants from one city to another, all at once", async () => {
    const moves = Array.from({ length: 10 }, () => ask("POST", "/transfers", { from: 20, to: 21, people: 3 }));
    const moved = (await Promise.all(moves)).filter(({ status }) => status === 200).length;
    expect(moved).toBeGreaterThan(0);
    expect(await ask("GET", "/cities/20")).toMatchObject({ body: { name: "A", population: 100 - 3 * moved } });
    expect(await ask("GET", "/cities/21")).toMatchObject({ body: { name: "B", population: 3 * moved } });
  });

  it.each([
    [{ from: 20, to: 21, people: 101 }, 409, "TOO_FEW"],
    [{ from: 20, to: 29, people: 1 }, 404, "NOT_FOUND"],
    [{ from: 20, to: 20, people: 1 }, 400, "INVALID_REQUEST"],
    [{ from: 20, to: 21, people: 0.5 }, 400, "INVALID_REQUEST"],
    [{ from: 20, to: 21 }, 400, "INVALID_REQUEST"],
    [{ from: 20, to: 21, people: 1, why: "x" }, 400, "INVALID_REQUEST"],
  ])("%j is %s %s", async (payload, status, code) => {
    expect(await ask("POST", "/transfers", payload)).toMatchObject({ status, body: { code } });
  });
});

describe("probes", () => {
  it("the process lives, and is ready as long as its ports are up", async () => {
    expect(await ask("GET", "/live")).toMatchObject({ status: 200, body: { live: true } });
    const { status, body } = await ask("GET", "/ready");
    expect([status, body.ready, body.down]).toEqual([200, true, []]);
    expect(body.status).toMatchObject({ node: "n1", ports: { localCache: "up", sharedCache: "absent", store: "up" } });
  });

  it("metrics are told as Prometheus reads them", async () => {
    const { status, text } = await ask("GET", "/metrics");
    expect(status).toBe(200);
    expect(text).toMatch(/^warp_core_hits_total\{.*tier="local".*\} \d+$/m);
  });

  it("anything else is 404", async () => {
    expect(await ask("GET", "/countries")).toMatchObject({ status: 404, body: { code: "NO_ROUTE" } });
  });
});
