import { randomFillSync } from "node:crypto";
import { expect, it } from "@jest/globals";
import { describeBackends } from "./backends.ts";
import { newOperation, putOf, remove } from "./steps.ts";

await describeBackends((open) => {
  it("a record that has moved comes back whole to who asks about a revision, whatever its bytes", async () => {
    const { store } = await open();
    const values = {
      none: new Uint8Array(0),
      zero: Uint8Array.of(0),
      zeros: Uint8Array.of(0, 123, 0, 125, 0),
      braces: new TextEncoder().encode('{"a":1}\\x00"'),
      every: Uint8Array.from({ length: 256 }, (_, byte) => byte),
      large: randomFillSync(new Uint8Array(200_000)),
    };
    for (const [key, value] of Object.entries(values)) {
      const timestamp = { micros: 0, node: "n1" };
      const ttlMs = key === "zero" ? 60_000 : undefined;
      await store.commit(newOperation(), [
        { kind: "put", key, value, timestamp, expected: undefined, ttlMs, history: undefined },
      ]);
      const moved = await store.get(key, "another revision");
      expect(moved).toEqual(await store.get(key));
      expect(moved).toMatchObject({ value });
    }
  });

  it("so does a tombstone", async () => {
    const { store, sql, table } = await open();
    await store.commit(newOperation(), [putOf("deleted", "x")]);
    await remove(store, "deleted");
    await sql(`INSERT INTO ${table} (key, value, expires_at) VALUES ('over', 'x', now() - interval '1 s')`);
    for (const key of ["deleted", "over"]) {
      const moved = await store.get(key, "another revision");
      expect(moved).toEqual(await store.get(key));
      expect(moved).toMatchObject({ value: undefined });
    }
  });
});
