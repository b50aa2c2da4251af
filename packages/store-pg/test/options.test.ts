import { describe, expect, it } from "@jest/globals";
import { WarpError } from "@warp/core";
import { Pool } from "pg";
import { type PgClient, type PgPool, PgStore, type PgStoreOptions } from "../src/index.ts";

({}) as Pool satisfies PgPool;

const nowhere: PgClient = {
  query: () => Promise.reject(new Error("nothing may be sent")),
  write: () => Promise.reject(new Error("nothing may be sent")),
  transaction: () => Promise.reject(new Error("nothing may be sent")),
};

const refusalOf = (options: PgStoreOptions): string => {
  try {
    new PgStore(nowhere, options);
  } catch (error) {
    if (WarpError.has(error, "INVALID_ARGUMENT")) return error.message;
    throw error;
  }
  throw new Error(`accepted: ${JSON.stringify(options)}`);
};

const attacks = [
  "",
  " ",
  "1a",
  "Warp",
  'warp"; DROP TABLE users; --',
  "warp'",
  "warp--",
  "warp;",
  "public.warp",
  "warp\u0000",
  "warp\n",
  "wärp",
  "warp%",
  "$1",
  "a".repeat(51),
];

describe("the options of a PgStore", () => {
  it("take plain lower-case names only", () => {
    for (const name of attacks)
      for (const field of ["table", "schema", "historyTable"])
        expect(refusalOf({ [field]: name })).toContain(`${field} must be`);
    for (const name of [null, 7, {}, ["warp"]]) expect(refusalOf({ table: name as never })).toContain("must be");
    for (const name of ["a", "_", "warp_2", "a".repeat(40)]) new PgStore(nowhere, { table: name, schema: name });
  });

  it("take no two tables of one name", () => {
    expect(refusalOf({ table: "a", historyTable: "a" })).toContain("historyTable");
    expect(refusalOf({ table: "a", historyTable: "a_state" })).toContain("historyTable");
  });

  it("keep tombstones longer than a commit may take to land", () => {
    expect(refusalOf({ tombstoneRetention: "10s" })).toContain("tombstoneRetention must exceed landsWithin (10000 ms)");
    expect(refusalOf({ tombstoneRetention: "1h", landsWithin: "1h" })).toContain("tombstoneRetention");
    expect(new PgStore(nowhere, { tombstoneRetention: 10_001 }).landsWithinMs).toBe(10_000);
    expect(new PgStore(nowhere, { landsWithin: "30s" }).landsWithinMs).toBe(30_000);
  });

  it("refuse durations and batches that make no sense", () => {
    for (const landsWithin of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, "soon"])
      expect(refusalOf({ landsWithin: landsWithin as never })).toContain("landsWithin");
    for (const reapBatch of [0, -1, 1.5, Number.NaN, "9" as never])
      expect(refusalOf({ reapBatch })).toContain("reapBatch");
    for (const reapEvery of [0, -1, "often"])
      expect(refusalOf({ reapEvery: reapEvery as never })).toContain("reapEvery");
  });
});

it("a client that is not one of fromPool or fromPglite is refused at once, and told what it lacks", () => {
  const { write: _, ...older } = nowhere;
  for (const [client, lacks] of [
    [undefined, "query"],
    [new Pool(), "write"],
    [older, "write"],
  ] as const)
    expect(() => new PgStore(client as never)).toThrow(
      expect.objectContaining({ code: "UNSUPPORTED", message: expect.stringContaining(`${lacks} is missing`) }),
    );
});
