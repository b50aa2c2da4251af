import { readFileSync } from "node:fs";
import { expect, it } from "@jest/globals";
import { compareTimestamps, conflictsOf, type StoredRecord } from "@warp/core";
import { describeBackends } from "./backends.ts";
import { deleteOf, newOperation, put, putOf, read, readRecord, remove, text } from "./steps.ts";
import { rejectionOf } from "./waiting.ts";

const form = /^[A-Za-z0-9_-]{22}$/;
const forEver = { versions: undefined, maxAgeMs: undefined };

/** What every foreign write leaves, compared with the record before it. */
const assertForeign = (after: StoredRecord, before: StoredRecord | undefined): void => {
  expect(after.revision).toMatch(form);
  expect(after.timestamp.node).toBe("");
  expect(after.operations).toEqual([after.revision, ...(before?.operations ?? [])].slice(0, 16));
  if (before === undefined) return;
  expect(after.revision).not.toBe(before.revision);
  expect(compareTimestamps(after.timestamp, before.timestamp)).toBeGreaterThan(0);
  expect(after.committedAt).toBeGreaterThanOrEqual(before.committedAt);
};

await describeBackends((open) => {
  it("a foreign INSERT makes a record like any other", async () => {
    const { store, table, sql } = await open();
    await sql(`INSERT INTO ${table} (key, value) VALUES ('k', 'x')`);
    const record = await readRecord(store, "k");
    assertForeign(record, undefined);
    expect(text(record)).toBe("x");
    expect(Math.abs((await store.now()) - record.committedAt)).toBeLessThan(5_000);
    expect(Math.floor(record.timestamp.micros / 1000)).toBe(record.committedAt);
    await put(store, "k", "y");
    expect((await readRecord(store, "k")).operations[1]).toBe(record.revision);
  });

  it("a foreign UPDATE raises revision, timestamp and commit time, and leads the operations", async () => {
    const { store, table, sql } = await open();
    let before = await put(store, "k", "0");
    for (let round = 1; round <= 20; round += 1) {
      await sql(`UPDATE ${table} SET value = convert_to($1::text, 'UTF8') WHERE key = 'k'`, [`${round}`]);
      const after = await readRecord(store, "k");
      assertForeign(after, before);
      expect(text(after)).toBe(`${round}`);
      before = after;
    }
    expect(before.operations).toHaveLength(16);
  });

  it("a foreign write that sets what orders records to nothing is a write like any other", async () => {
    const { store, table, sql } = await open();
    let before = await put(store, "k", "0");
    for (const statement of [
      `UPDATE ${table} SET value = 'x', micros = NULL`,
      `UPDATE ${table} SET value = 'x', micros = DEFAULT`,
      `INSERT INTO ${table} (key, value) VALUES ('k', 'x') ON CONFLICT (key) DO UPDATE SET value = 'x', micros = NULL`,
    ]) {
      await sql(statement);
      const after = await readRecord(store, "k");
      assertForeign(after, before);
      expect(text(after)).toBe("x");
      before = after;
    }
  });

  it("a commit on the revision before a foreign write loses", async () => {
    const { store, table, sql } = await open();
    const before = await put(store, "k", "1");
    await sql(`UPDATE ${table} SET value = 'foreign'`);
    for (const mutations of [
      [putOf("k", "2", { expected: before.revision })],
      [deleteOf("k", { expected: before.revision }), putOf("other", "2")],
    ]) {
      const conflicts = conflictsOf(await rejectionOf(store.commit(newOperation(), mutations)));
      expect(text(conflicts?.get("k"))).toBe("foreign");
    }
    expect(await store.get("k", before.revision)).not.toBe("unchanged");
  });

  it("a foreign DELETE leaves a tombstone, and a second one leaves that alone", async () => {
    const { store, table, sql } = await open();
    const before = await put(store, "k", "1");
    await sql(`DELETE FROM ${table} WHERE key = 'k'`);
    const tombstone = await readRecord(store, "k");
    assertForeign(tombstone, before);
    expect(tombstone.value).toBeUndefined();
    await sql(`DELETE FROM ${table}`);
    expect(await readRecord(store, "k")).toEqual(tombstone);
    expect(conflictsOf(await rejectionOf(store.commit(newOperation(), [putOf("k", "2")])))?.has("k")).toBe(true);
    await put(store, "k", "2");
  });

  it("a foreign UPDATE to NULL is a delete", async () => {
    const { store, table, sql } = await open();
    const before = await put(store, "k", "1", { ttlMs: 600_000 });
    await sql(`UPDATE ${table} SET value = NULL`);
    const tombstone = await readRecord(store, "k");
    assertForeign(tombstone, before);
    expect(tombstone).toMatchObject({ value: undefined, expiresAt: undefined });
  });

  it("a foreign INSERT takes a tombstone's place, with or without ON CONFLICT, and replaces a value with it", async () => {
    const { store, table, sql } = await open();
    for (const conflict of ["", "ON CONFLICT (key) DO UPDATE SET value = excluded.value"]) {
      await put(store, "k", "1");
      await remove(store, "k");
      const tombstone = await readRecord(store, "k");
      await sql(`INSERT INTO ${table} (key, value) VALUES ('k', 'again') ${conflict}`);
      const record = await readRecord(store, "k");
      assertForeign(record, tombstone);
      expect(text(record)).toBe("again");
    }
    const before = await readRecord(store, "k");
    await sql(
      `INSERT INTO ${table} (key, value) VALUES ('k', 'b') ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
    );
    assertForeign(await readRecord(store, "k"), before);
    await expect(sql(`INSERT INTO ${table} (key, value) VALUES ('k', 'c')`)).rejects.toMatchObject({ code: "23505" });
  });

  it("a foreign write of many rows raises each of them", async () => {
    const { store, table, sql } = await open();
    await sql(`INSERT INTO ${table} (key, value) SELECT 'k' || i, 'x' FROM generate_series(1, 50) AS i`);
    const keys = Array.from({ length: 50 }, (_, index) => `k${index + 1}`);
    const before = (await store.getMany(keys)) as readonly StoredRecord[];
    expect(new Set(before.map(({ revision }) => revision)).size).toBe(50);
    await sql(`UPDATE ${table} SET value = 'y'`);
    for (const [index, record] of ((await store.getMany(keys)) as readonly StoredRecord[]).entries())
      assertForeign(record, before[index]);
  });

  it("a foreign write stays behind a clock that ran ahead", async () => {
    const ahead = Date.UTC(2100, 0, 1);
    const { store, table, sql } = await open({ clock: () => ahead });
    const before = await put(store, "k", "1");
    await sql(`UPDATE ${table} SET value = 'y'`);
    const after = await readRecord(store, "k");
    assertForeign(after, before);
    expect(after.timestamp.micros).toBe(before.timestamp.micros + 1);
    expect(after.committedAt).toBe(ahead);
  });

  it("the answer to a commit tells the commit time that is stored, also where the clock stands behind the record", async () => {
    const { store, table, sql } = await open({ clock: () => 1_700_000_000_000 });
    const before = await put(store, "k", "1");
    // As a thousand writes within one millisecond would leave it.
    await sql(`UPDATE ${table} SET micros = micros + 999`);
    for (const write of [put, (...[on, key]: Parameters<typeof put>) => remove(on, key)]) {
      const { committedAt } = await write(store, "k", "2");
      expect(committedAt).toBe(before.committedAt + 1);
      expect((await readRecord(store, "k")).committedAt).toBe(committedAt);
    }
  });

  it("a foreign writer can set an expiry, and a value can be brought back with it", async () => {
    const { store, table, sql } = await open();
    await sql(`INSERT INTO ${table} (key, value, expires_at) VALUES ('k', 'x', now() - interval '1 minute')`);
    expect((await readRecord(store, "k")).value).toBeUndefined();
    await sql(`UPDATE ${table} SET expires_at = now() + interval '1 minute'`);
    expect(text(await read(store, "k"))).toBe("x");
    expect((await readRecord(store, "k")).expiresAt).toBeGreaterThan(await store.now());
  });

  it("a key cannot be renamed", async () => {
    const { store, table, sql } = await open();
    const before = await put(store, "k", "1");
    await expect(sql(`UPDATE ${table} SET key = 'l'`)).rejects.toMatchObject({ code: "P0001" });
    expect(await readRecord(store, "k")).toEqual(before);
  });

  it("a foreign write keeps the version before it where Warp's last write kept its own", async () => {
    let now = Date.now() - 3_600_000;
    const { store, table, sql } = await open({ clock: () => now });
    const first = await put(store, "k", "1", { history: forEver });
    now += 1_000;
    const second = await put(store, "k", "2", { history: forEver });
    await sql(`UPDATE ${table} SET value = '3'`);
    const third = await readRecord(store, "k");
    await sql(`DELETE FROM ${table}`);
    const at = async (ms: number): Promise<string | undefined> => {
      const record = await store.getAt("k", ms);
      return record?.value === undefined ? undefined : text(record);
    };
    expect(await at(first.committedAt)).toBe("1");
    expect(await at(second.committedAt)).toBe("2");
    expect(third.committedAt).toBeGreaterThan(second.committedAt);
    expect(await at(third.committedAt - 1)).toBe("2");
    expect(await at(Date.now() + 60_000)).toBeUndefined();
    const unkept = await open();
    await put(unkept.store, "k", "1");
    await unkept.sql(`UPDATE ${unkept.table} SET value = '2'`);
    expect(await unkept.sql(`SELECT 1 FROM ${unkept.table}_history`)).toEqual([]);
  });

  it("Warp's own writes are not altered by the triggers", async () => {
    const { store } = await open();
    const operation = newOperation();
    const [created] = await store.commit(operation, [putOf("k", "1")]);
    expect(created).toMatchObject({ revision: operation, operations: [operation], timestamp: { node: "n1" } });
    const next = newOperation();
    await store.commit(next, [putOf("k", "2", { expected: operation }), putOf("l", "2")]);
    expect(await readRecord(store, "k")).toMatchObject({ revision: next, operations: [next, operation] });
    const last = newOperation();
    await store.commit(last, [deleteOf("k", { expected: next }), { kind: "check", key: "none", expected: undefined }]);
    expect(await readRecord(store, "k")).toMatchObject({ revision: last, operations: [last, next, operation] });
    expect(await read(store, "none")).toBeUndefined();
  });

  it("the helper functions make and read values of the default codec", async () => {
    const { store, table, sql } = await open();
    await sql(`INSERT INTO ${table} (key, value) VALUES ('k', ${table}_encode('{"name": "Köln", "people": 1087863}'))`);
    const { value } = await readRecord(store, "k");
    expect(value?.[0]).toBe(1);
    expect(JSON.parse(new TextDecoder().decode(value?.subarray(1)))).toEqual({ name: "Köln", people: 1_087_863 });
    const [row] = await sql(`SELECT ${table}_decode(value) ->> 'name' AS name FROM ${table}`);
    expect(row).toEqual({ name: "Köln" });
    await sql(`UPDATE ${table} SET value = '\\x02ff'`);
    expect(await sql(`SELECT ${table}_decode(value) AS value FROM ${table}`)).toEqual([{ value: null }]);
  });

  it("the SQL of the README does what it says", async () => {
    const { store, table, sql } = await open();
    await put(store, "city:oslo", "x");
    const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
    const [, block = ""] = /```sql\n(.*?)```/s.exec(readme) ?? [];
    const statements = block.replaceAll("warp", table).split(";\n").slice(0, -1);
    expect(statements).toHaveLength(3);
    for (const statement of statements) await sql(statement);
    expect(text(await read(store, "city:rome"))).toBe('\u0001{"people": 2750000, "capital": true}');
    expect((await readRecord(store, "city:oslo")).value).toBeUndefined();
  });

  it("keys stand in the table as they are", async () => {
    const { store, table, sql } = await open();
    await put(store, "city:Köln 'x' \\ %", "1");
    expect(await sql(`SELECT key FROM ${table}`)).toEqual([{ key: "city:Köln 'x' \\ %" }]);
  });
});
