import { describe, expect, it } from "@jest/globals";
import { MemoryStore, MemoryStoreData, silentLogger, Warp, WarpError, type WarpErrorCode } from "../src/index.ts";
import { attachmentKey, leaseKey, leaseStateIn } from "../src/paths/lease-records.ts";

const codeOf = async (call: Promise<unknown>): Promise<WarpErrorCode | undefined> => {
  try {
    await call;
    return undefined;
  } catch (error) {
    if (!WarpError.is(error)) throw error;
    return error.code;
  }
};

const messageOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => "no error",
    (error: Error) => error.message,
  );

const nodeOn = (data: MemoryStoreData | undefined, atomicBatch = true): Warp => {
  const store = data === undefined ? undefined : new MemoryStore({ data });
  if (store !== undefined) Object.defineProperty(store, "atomicBatch", { value: atomicBatch });
  const warp = new Warp({ logger: silentLogger, ...(store === undefined ? {} : { store }) });
  warp.register("city:*", { ttl: "1h" });
  return warp;
};

const liveKeys = (data: MemoryStoreData): string[] =>
  [...data.records()].filter(([, { value }]) => value !== undefined).map(([key]) => key);

for (const [name, dataOf] of [
  ["with a store", () => new MemoryStoreData()],
  ["without a store", () => undefined],
] as const) {
  describe(name, () => {
    it("what a caller gives is checked, and the error names it", async () => {
      await using warp = nodeOn(dataOf());
      const lease = await warp.grantLease({ ttl: "1m" });
      const bad = (value: unknown) => value as never;
      for (const [call, field] of [
        [warp.grantLease(bad(undefined)), "options"],
        [warp.grantLease(bad({})), "ttl"],
        [warp.grantLease({ ttl: 0 }), "ttl"],
        [warp.grantLease({ ttl: bad("1 minute") }), "ttl"],
        [warp.grantLease(bad({ ttl: 1, tll: 2 })), "tll"],
        [warp.grantLease({ ttl: 1, hardTimeout: bad(-1) }), "hardTimeout"],
        [warp.grantLease({ ttl: 1, signal: bad("signal") }), "signal"],
        [warp.attachKey(bad(undefined), "city:a"), "lease"],
        [warp.attachKey("a lease: of nobody", "city:a"), "lease"],
        [warp.attachKey(bad({ expiresAt: 1 }), "city:a"), "lease"],
        [warp.attachKey(lease, "city:*"), "key"],
        [warp.attachKey(lease, bad(7)), "key"],
        [warp.attachKey(lease, "\u0000warp:lease:x"), "key"],
        [warp.attachKey(lease, "city:a", bad(null)), "options"],
        [warp.renewLease(lease, { ttl: bad(null) }), "ttl"],
        [warp.renewLease(bad(null)), "lease"],
        [warp.revokeLease(bad({})), "lease"],
        [warp.revokeLease(lease, bad({ ttl: 1 })), "ttl"],
      ] as const) {
        const [code, message] = await Promise.all([codeOf(call), messageOf(call)]);
        expect([field, code]).toEqual([field, "INVALID_ARGUMENT"]);
        expect(message).toContain(field);
      }
      expect(await codeOf(warp.attachKey(lease, "town:a"))).toBe("UNREGISTERED");
      expect(await warp.revokeLease(lease)).toBe(true);
    });

    it("a lease is plain data, and its id is enough", async () => {
      await using warp = nodeOn(dataOf());
      const lease = await warp.grantLease({ ttl: "1m" });
      expect(lease).toEqual({ id: expect.stringMatching(/^[\w-]{22}$/), expiresAt: expect.any(Number) });
      expect(Math.abs(lease.expiresAt - Date.now() - 60_000)).toBeLessThan(2_000);
      await warp.set("city:a", 1);
      await warp.attachKey(JSON.parse(JSON.stringify(lease)), "city:a");
      await warp.attachKey(lease.id, "city:a");
      expect((await warp.renewLease(lease.id, { ttl: "2m" })).expiresAt).toBeGreaterThan(lease.expiresAt + 50_000);
      expect(warp.peek("city:a")).toBe(1);
      expect(await warp.revokeLease(lease.id)).toBe(true);
      expect(warp.peek("city:a")).toBeUndefined();
      expect(await warp.revokeLease(lease)).toBe(false);
      expect(warp.status().leases).toBe(0);
    });

    it("a lease that never expires ends by a revoke only", async () => {
      await using warp = nodeOn(dataOf());
      const lease = await warp.grantLease({ ttl: Number.POSITIVE_INFINITY });
      expect(lease.expiresAt).toBe(Number.POSITIVE_INFINITY);
      await warp.attachKey(lease, "city:a");
      expect((await warp.renewLease(lease)).expiresAt).toBe(Number.POSITIVE_INFINITY);
      expect(await warp.revokeLease(lease)).toBe(true);
    });

    it("one that nobody granted has ended", async () => {
      await using warp = nodeOn(dataOf());
      expect(await codeOf(warp.attachKey("AAAAAAAAAAAAAAAAAAAAAA", "city:a"))).toBe("LEASE_ENDED");
      expect(await codeOf(warp.renewLease("AAAAAAAAAAAAAAAAAAAAAA"))).toBe("LEASE_ENDED");
      expect(await warp.revokeLease("AAAAAAAAAAAAAAAAAAAAAA")).toBe(false);
    });

    it("a closed node refuses", async () => {
      const warp = nodeOn(dataOf());
      const lease = await warp.grantLease({ ttl: "1m" });
      await warp.close();
      const calls = [
        warp.grantLease({ ttl: 1 }),
        warp.attachKey(lease, "city:a"),
        warp.renewLease(lease),
        warp.revokeLease(lease),
      ];
      for (const call of calls) expect(await codeOf(call)).toBe("CLOSED");
    });
  });
}

it("many attaches at once share commits, and on a store without batches each has its own", async () => {
  for (const atomicBatch of [true, false]) {
    const data = new MemoryStoreData();
    await using warp = nodeOn(data, atomicBatch);
    const keys = Array.from({ length: 1_234 }, (_, index) => `city:${index}`);
    const lease = await warp.grantLease({ ttl: "1m" });
    await Promise.all(keys.map((key) => warp.attachKey(lease, key)));
    const operations = new Set(keys.map((key) => data.current(attachmentKey(lease.id, key))?.revision));
    expect(operations.size).toBe(atomicBatch ? 2 : keys.length);
    await Promise.all(keys.map((key) => warp.getOrSet(key, () => 1, { persist: "none" })));
    expect(await warp.revokeLease(lease)).toBe(true);
    expect(keys.filter((key) => warp.peek(key) !== undefined)).toEqual([]);
    expect(liveKeys(data)).toEqual([]);
  }
});

it("a lease's record that nobody can read is CORRUPT, and one of an attachment drops everything", async () => {
  const data = new MemoryStoreData();
  await using warp = nodeOn(data);
  const store = new MemoryStore({ data });
  const [broken, lease] = [await warp.grantLease({ ttl: "1m" }), await warp.grantLease({ ttl: "1m" })];
  store.changeOutside(leaseKey(broken.id), new Uint8Array([1, 123, 125]));
  expect(await codeOf(warp.attachKey(broken, "city:a"))).toBe("CORRUPT");
  expect(await codeOf(warp.renewLease(broken))).toBe("CORRUPT");
  expect(await codeOf(warp.revokeLease(broken))).toBe("CORRUPT");
  await warp.attachKey(lease, "city:a");
  await warp.set("city:b", 1);
  store.changeOutside(attachmentKey(lease.id, "city:a"), new Uint8Array([1, 123, 125]));
  expect(await warp.revokeLease(lease)).toBe(true);
  expect(warp.peek("city:b")).toBeUndefined();
  const { value: error } = await warp.publishErrors()[Symbol.asyncIterator]().next();
  expect(error).toMatchObject({ code: "CORRUPT", port: "store" });
});

it("nodes without a store keep a bounded number of leases and attachments", async () => {
  await using warp = nodeOn(undefined);
  const lease = await warp.grantLease({ ttl: "1m" });
  for (let index = 0; index < 100_000; index++) await warp.attachKey(lease, `city:${index}`);
  expect(await codeOf(warp.attachKey(lease, "city:one more"))).toBe("OVERLOADED");
  await warp.attachKey(lease, "city:7");
  expect(await warp.revokeLease(lease)).toBe(true);
  for (let index = 0; index < 10_000; index++) await warp.grantLease({ ttl: "1m" });
  expect(await codeOf(warp.grantLease({ ttl: "1m" }))).toBe("OVERLOADED");
});

it("a revoke whose caller leaves goes on", async () => {
  const data = new MemoryStoreData();
  const abort = new AbortController();
  let id = "";
  const hasEnded = (): boolean => {
    const record = data.current(leaseKey(id));
    return record?.value !== undefined && leaseStateIn(id, record.value).ended;
  };
  const pause = (stage: "request" | "reply"): undefined => {
    if (stage === "reply" && hasEnded()) abort.abort(new Error("no more time"));
  };
  await using warp = new Warp({ logger: silentLogger, store: new MemoryStore({ data, pause }) });
  warp.register("city:*", { ttl: "1h" });
  const lease = await warp.grantLease({ ttl: "1m" });
  id = lease.id;
  await warp.set("city:a", 1);
  await warp.attachKey(lease, "city:a");
  expect(await codeOf(warp.revokeLease(lease, { signal: abort.signal }))).toBe("OUTCOME_UNKNOWN");
  await warp.flush();
  expect(warp.peek("city:a")).toBeUndefined();
  expect(liveKeys(data)).toEqual(["city:a"]);
  expect(await codeOf(warp.grantLease({ ttl: "1m", signal: AbortSignal.abort() }))).toBe("ABORTED");
});
