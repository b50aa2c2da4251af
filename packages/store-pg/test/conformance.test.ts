import { PGlite } from "@electric-sql/pglite";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type ConformanceCase, type HistorySubject, historyCases, storeCases } from "@warp/conformance";
import { describeWith } from "@warp/tests-services";
import { Pool } from "pg";
import { fromPglite, fromPool, type PgClient, PgStore } from "../src/index.ts";
import { dropTables, uniqueTable } from "./open-store.ts";

/** Two instances on a new table. */
const open = async (client: PgClient, other: PgClient): Promise<HistorySubject> => {
  const options = { table: uniqueTable(), reapEvery: Number.POSITIVE_INFINITY };
  const port = new PgStore(client, options);
  await port.migrate();
  return { port, other: new PgStore(other, options), close: () => dropTables(client, options.table) };
};

/** As `open`, on a clock that only the case moves. */
const openWithClock = async (client: PgClient, other: PgClient): Promise<HistorySubject> => {
  let now = Date.UTC(2026, 6, 1);
  const options = { table: uniqueTable(), reapEvery: Number.POSITIVE_INFINITY, clock: () => now };
  const port = new PgStore(client, options);
  await port.migrate();
  return {
    port,
    other: new PgStore(other, options),
    advance: (ms) => {
      now += ms;
    },
    setClockBack: (ms) => {
      now -= ms;
    },
    close: () => dropTables(client, options.table),
  };
};

/** @param isServerClock Nobody sets a server's clock back: the cases that need it are exempt, and no other. */
const register = (cases: readonly ConformanceCase[], isServerClock: boolean): void => {
  for (const { name, needs, run } of cases) {
    const expected = isServerClock && needs === "setClockBack" ? "exempt" : "checked";
    it(name, async () => expect(await run()).toBe(expected), 30_000);
  }
};

const registerAll = (subject: () => Promise<HistorySubject>, isServerClock: boolean): void => {
  describe("Store", () => register(storeCases(subject), isServerClock));
  describe("History", () => register(historyCases(subject), isServerClock));
};

await describeWith("postgres", (url) => {
  const pools = [new Pool({ connectionString: url, max: 6 }), new Pool({ connectionString: url, max: 6 })];
  const [client, other] = pools.map((pool) => fromPool(pool)) as [PgClient, PgClient];
  afterAll(async () => {
    await Promise.all(pools.map((pool) => pool.end()));
  });
  describe("by the server's clock", () => registerAll(() => open(client, other), true));
  const prepared = pools.map((pool) => fromPool(pool, { statements: "prepared" })) as [PgClient, PgClient];
  describe("by an injected clock, with prepared statements", () =>
    registerAll(() => openWithClock(...prepared), false));
});

describe("PGlite", () => {
  let database: PGlite;
  beforeAll(async () => {
    database = await PGlite.create();
  });
  afterAll(() => database.close());
  registerAll(() => {
    const client = fromPglite(database);
    return open(client, client);
  }, true);
});
