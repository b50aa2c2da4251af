import { describe, expect, it } from "@jest/globals";
import { type Mutation, type StoredRecord, WarpError } from "@warp/core";
import { decodeBody } from "../src/record-body.ts";
import { type AnyCommand, MemoryS3 } from "./memory-s3.ts";
import { type Fate, methodOf, SimulatedProcess } from "./simulated-process.ts";
import { bytes, conflictOf, deleteOf, listed, putOf, rejectionOf, text } from "./steps.ts";
import { VirtualTime } from "./virtual-time.ts";

const day = 86_400_000;

/** A bucket in memory, in its own time, and processes that use it. */
const world = () => {
  const time = new VirtualTime();
  const server = new MemoryS3(() => time.now);
  const start = (options: Partial<ConstructorParameters<typeof SimulatedProcess>[0]> = {}): SimulatedProcess =>
    new SimulatedProcess({ time, server, ...options });
  const intents = (): string[] =>
    [...server.objects].flatMap(([name, object]) =>
      name.startsWith("r/") && decodeBody(object.bytes, name.slice(2)).intent !== undefined ? [name] : [],
    );
  const transactions = (): string[] => [...server.objects.keys()].filter((name) => name.startsWith("t/"));
  return { time, server, start, intents, transactions };
};

type World = ReturnType<typeof world>;

/** `a` and `b` hold 1; `c` is looked at. */
const seed = async ({ time, start }: World): Promise<Readonly<Record<string, StoredRecord>>> => {
  const { store } = start();
  const records: Record<string, StoredRecord> = {};
  for (const key of ["a", "b", "c"])
    records[key] = (await time.until(store.commit(`seed ${key}`, [putOf(key, "1")])))[0] as StoredRecord;
  return records;
};

/** Writes `value` over what `seed` left: two keys, one that is new, and a check. */
const mutationsOf = (value: string): readonly Mutation[] => [
  putOf("b", value, { expected: "seed b" }),
  putOf("new", value),
  { kind: "check", key: "c", expected: "seed c" },
  putOf("a", value, { expected: "seed a" }),
];

const valuesOf = async ({ time }: World, { store }: SimulatedProcess): Promise<readonly (string | undefined)[]> =>
  (await time.until(store.getMany(["a", "b", "new", "c"]))).map((record) =>
    record === undefined ? undefined : text(record),
  );

const before = ["1", "1", undefined, "1"];
const after = ["2", "2", "2", "1"];

/** How many requests the commit of `mutationsOf` makes. */
const requestsOfCommit = 3 + 1 + 4 + 1 + 4;
const commitPoint = 3 + 1 + 4;
const steps = Array.from({ length: requestsOfCommit }, (_, index) => index);

describe("a commit of several keys", () => {
  it("lands on all of them, leaves no intent, and costs 2 + 3 requests for each key, 2 for a new one", async () => {
    const here = world();
    await seed(here);
    const writer = here.start();
    const records = await here.time.until(writer.store.commit("op", mutationsOf("2")));
    expect(records.map((record) => text(record))).toEqual(["2", "2", "1", "2"]);
    expect(records.map((record) => record?.underIntent)).toEqual([undefined, undefined, undefined, undefined]);
    expect(await valuesOf(here, here.start())).toEqual(after);
    expect(here.intents()).toEqual([]);
    const [transaction = ""] = here.transactions();
    const [claims, ends] = [writer.requests.slice(4, 8), writer.requests.slice(9)];
    expect(writer.requests.slice(0, 3).sort()).toEqual(["GetObject r/a", "GetObject r/b", "GetObject r/c"]);
    expect(writer.requests[3]).toBe(`PutObject ${transaction}`);
    expect([...claims].sort()).toEqual(["PutObject r/a", "PutObject r/b", "PutObject r/c", "PutObject r/new"]);
    expect(writer.requests[8]).toBe(`PutObject ${transaction}`);
    expect([...ends].sort()).toEqual([...claims].sort());
    expect(writer.requests).toHaveLength(requestsOfCommit);
  });

  it("of three keys costs what the README says: new, over records, and to be read afterwards", async () => {
    const here = world();
    const { store, requests } = here.start();
    const keys = ["a", "b", "c"];
    const [each, writes] = [keys.length, 2 * keys.length + 2];
    const countsOf = async (work: () => Promise<unknown>): Promise<Readonly<Record<string, number>>> => {
      const before = requests.length;
      await here.time.until(work());
      const counts: Record<string, number> = {};
      for (const request of requests.slice(before)) {
        const [method = ""] = request.split(" ");
        counts[method] = (counts[method] ?? 0) + 1;
      }
      return counts;
    };
    const commit = (operation: string, expected?: string) => (): Promise<unknown> =>
      store.commit(
        operation,
        keys.map((key) => putOf(key, operation, { expected })),
      );
    expect(await countsOf(commit("first"))).toEqual({ PutObject: writes });
    // Also of records that this process has just written.
    expect(await countsOf(commit("second", "first"))).toEqual({ GetObject: each, PutObject: writes });
    expect(await countsOf(() => store.getMany(keys))).toEqual({ GetObject: 2 * each });
    const unless = keys.map(() => "second");
    expect(await countsOf(() => store.getMany(keys, unless))).toEqual({ GetObject: 2 * each });
    expect(await countsOf(() => store.get("a"))).toEqual({ GetObject: 1 });
  });

  it("dates all of its records alike, above each that stood", async () => {
    const here = world();
    const seeded = await seed(here);
    const records = await here.time.until(here.start().store.commit("op", mutationsOf("2")));
    const dates = [0, 1, 3].map((index) => records[index]?.committedAt);
    expect(new Set(dates).size).toBe(1);
    for (const { committedAt } of Object.values(seeded)) expect(dates[0]).toBeGreaterThan(committedAt);
  });

  it("that lost takes its intents off again, and its transaction is aborted", async () => {
    const here = world();
    await seed(here);
    const other = here.start();
    // Moved after the commit looked at it, before it puts its intent.
    let moved: Promise<unknown> = Promise.resolve();
    const writer = here.start({
      fateOf: (_command, index) => {
        if (index === 3) moved = other.store.commit("other", [putOf("b", "x", { expected: "seed b" })]);
        return index === 3 ? { landsAfterMs: 50 } : {};
      },
    });
    const conflicts = await here.time.until(conflictOf(writer.store.commit("op", mutationsOf("2"))));
    await here.time.until(moved);
    expect([...conflicts.keys()]).toEqual(["b"]);
    expect(text(conflicts.get("b"))).toBe("x");
    expect(here.intents()).toEqual([]);
    expect(await valuesOf(here, here.start())).toEqual(["1", "x", undefined, "1"]);
    expect(await here.time.until(listed(other.store))).toEqual(["a", "b", "c"]);
    // What was only looked at is as good as never written.
    await here.time.until(other.store.commit("creation", [putOf("new", "x")]));
  });

  it("of checks alone creates nothing, and tells which do not hold", async () => {
    const here = world();
    await seed(here);
    const { store, requests } = here.start();
    const checks = (expected: string): Mutation[] => [
      { kind: "check", key: "a", expected: "seed a" },
      { kind: "check", key: "b", expected },
      { kind: "check", key: "none", expected: undefined },
    ];
    const records = await here.time.until(store.commit("op", checks("seed b")));
    expect(records.map((record) => record?.revision)).toEqual(["seed a", "seed b", undefined]);
    const conflicts = await here.time.until(conflictOf(store.commit("op", checks("else"))));
    expect([...conflicts.keys()]).toEqual(["b"]);
    expect(requests.filter((request) => !request.startsWith("GetObject"))).toEqual([]);
    expect(requests).toHaveLength(12);
  });

  it("sent twice lands once: the second names every key, with the operation in its list", async () => {
    const here = world();
    await seed(here);
    const { store } = here.start();
    await here.time.until(store.commit("op", mutationsOf("2")));
    const conflicts = await here.time.until(conflictOf(here.start().store.commit("op", mutationsOf("2"))));
    for (const key of ["a", "b", "new"]) expect(conflicts.get(key)?.operations[0]).toBe("op");
    expect(await valuesOf(here, here.start())).toEqual(after);
  });

  it("sent by several at once lands once", async () => {
    const here = world();
    await seed(here);
    const writers = Array.from({ length: 4 }, () => here.start());
    const outcomes = await here.time.until(
      Promise.allSettled(writers.map(({ store }) => store.commit("op", mutationsOf("2")))),
    );
    const failures = outcomes.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
    expect(failures.length).toBeGreaterThanOrEqual(3);
    for (const failure of failures) expect(failure.conflicts.get("a").operations).toEqual(["op", "seed a"]);
    expect(await valuesOf(here, here.start())).toEqual(after);
  });

  it("keeps the past of each of its keys, expires and deletes as one of one key does", async () => {
    const here = world();
    await seed(here);
    const history = { versions: 3, maxAgeMs: undefined };
    const { store } = here.start();
    await here.time.pass(10);
    const [first] = await here.time.until(
      store.commit("op", [
        putOf("a", "2", { expected: "seed a", history, ttlMs: 5_000 }),
        deleteOf("b", { expected: "seed b", history }),
        putOf("c", "2", { expected: "seed c" }),
      ]),
    );
    const at = first?.committedAt ?? 0;
    for (const key of ["a", "b"]) expect(text(await here.time.until(store.getAt(key, at - 1)))).toBe("1");
    expect(await here.time.until(listed(store))).toEqual(["a", "c"]);
    await here.time.pass(5_000);
    expect(await here.time.until(listed(store))).toEqual(["c"]);
  });
});

describe("an intent that was left on a key", () => {
  /** A transaction that has committed, and whose writer died before it took its intents off, long ago. */
  const left = async (here: World): Promise<void> => {
    await seed(here);
    const writer = here.start();
    writer.diesAt = commitPoint + 1;
    void writer.store.commit("op", mutationsOf("2"), { timeoutMs: 2_000 }).catch(() => {});
    await here.time.pass(60_000);
    expect(here.intents()).toContain("r/a");
  };
  it("is written over by a writer, who does not take it off beside that", async () => {
    const here = world();
    await left(here);
    const writer = here.start();
    await here.time.until(writer.store.commit("w", [putOf("a", "3", { expected: "op" })]));
    expect(writer.requests.filter((request) => request === "PutObject r/a")).toHaveLength(1);
    expect(here.intents()).not.toContain("r/a");
  });

  it("is taken off by a reader, and a writer of the same process comes after that", async () => {
    const here = world();
    await left(here);
    const slowly = { landsAfterMs: 50 };
    const process = here.start({ fateOf: (command) => (methodOf(command) === "PutObject" ? slowly : {}) });
    expect(text(await here.time.until(process.store.get("a")))).toBe("2");
    const [record] = await here.time.until(process.store.commit("w", [putOf("a", "3", { expected: "op" })]));
    expect(text(record)).toBe("3");
    const [transaction] = here.transactions();
    expect(process.requests).toEqual([
      ...["GetObject r/a", `GetObject ${transaction}`, "PutObject r/a"],
      // Of an object that bears no intent any more.
      ...["GetObject r/a", "PutObject r/a"],
    ]);
  });
});

describe("a writer that dies", () => {
  for (const step of steps)
    for (const isSent of [false, true])
      it(`${isSent ? "after it has sent" : "before it sends"} request ${step} leaves what others finish`, async () => {
        const here = world();
        await seed(here);
        const writer = here.start();
        writer.diesAt = step + (isSent ? 1 : 0);
        void writer.store.commit("op", mutationsOf("2"), { timeoutMs: 2_000 }).catch(() => {});
        await here.time.pass(1_000);
        // Readers wait for nobody.
        const reader = here.start();
        const begun = here.time.now;
        const seen = await valuesOf(here, reader);
        expect(here.time.now - begun).toBeLessThan(20);
        expect(seen).toEqual(writer.diesAt > commitPoint ? after : before);
        for (const key of ["a", "b", "c", "new"]) {
          const record = await here.time.until(reader.store.get(key, `seed ${key}`));
          const isClaimed = here.intents().includes(`r/${key}`);
          if (isClaimed && record !== undefined) expect(record).toMatchObject({ underIntent: true });
        }
        expect(await here.time.until(listed(reader.store))).toEqual(
          writer.diesAt > commitPoint ? ["a", "b", "c", "new"] : ["a", "b", "c"],
        );
        // Other writers wait until its deadline, and a second for rounding.
        const next = here.start();
        const [a, , c] = (await here.time.until(next.store.getMany(["a", "b", "c"]))) as StoredRecord[];
        const mutations = [putOf("a", "3", { expected: a?.revision }), putOf("c", "3", { expected: c?.revision })];
        await here.time.until(next.store.commit("next", mutations));
        expect(here.time.now - begun).toBeLessThan(5_000);
        expect(await valuesOf(here, reader)).toEqual(["3", seen[1], seen[2], "3"]);
        // A day later nothing is left of either transaction.
        await here.time.pass(day);
        await here.time.until(reader.store.reap());
        await here.time.pass(day + 1_000);
        await here.time.until(reader.store.reap());
        expect(here.transactions()).toEqual([]);
        expect(here.intents()).toEqual([]);
        expect(await valuesOf(here, reader)).toEqual(["3", seen[1], seen[2], "3"]);
      });
});

describe("a writer that stands still", () => {
  for (const step of steps)
    it(`for a minute after request ${step} neither commits what was ended meanwhile nor tidies up wrongly`, async () => {
      const here = world();
      await seed(here);
      const writer = here.start({
        fateOf: (_command, index) => {
          if (index === step) writer.frozenUntil = here.time.now + 60_000;
          return {};
        },
      });
      const commit = writer.store.commit("op", mutationsOf("2"), { timeoutMs: 2_000 }).then(
        () => "landed",
        (error: unknown) => (WarpError.is(error) ? "refused" : "unknown"),
      );
      await here.time.pass(1_000);
      const other = here.start();
      const [a] = await here.time.until(other.store.getMany(["a"]));
      const expected = (a as StoredRecord).revision;
      const next = [putOf("a", "3", { expected }), putOf("z", "3")];
      await here.time.until(other.store.commit("next", next));
      const isCommitted = step >= commitPoint;
      const settled = isCommitted ? ["3", "2", "2", "1"] : ["3", "1", undefined, "1"];
      expect(await valuesOf(here, other)).toEqual(settled);
      expect(await here.time.until(commit)).not.toBe(isCommitted ? "refused" : "landed");
      await here.time.pass(1_000);
      expect(await valuesOf(here, other)).toEqual(settled);
      expect(here.intents()).toEqual([]);
      expect(writer.errors).toEqual([]);
    });

  it("past its deadline aborts its transaction instead of committing it, though nobody else has", async () => {
    const here = world();
    await seed(here);
    const writer = here.start({
      fateOf: (_command, index) => {
        if (index === commitPoint - 1) writer.frozenUntil = here.time.now + 60_000;
        return {};
      },
    });
    const error = await here.time.until(rejectionOf(writer.store.commit("op", mutationsOf("2"), { timeoutMs: 2_000 })));
    expect(error).toMatchObject({ code: "UNAVAILABLE" });
    await here.time.pass(100);
    expect(here.intents()).toEqual([]);
    expect(await valuesOf(here, here.start())).toEqual(before);
  });
});

const fates: readonly (readonly [string, Fate])[] = [
  ["500, and it did not land", { landsAfterMs: undefined, isGarbled: true }],
  ["500, and it had landed", { isGarbled: true }],
  ["500, and it lands later", { landsAfterMs: 40, isGarbled: "early" }],
  ["no answer, and it did not land", { landsAfterMs: undefined, answersAfterMs: undefined }],
  ["no answer, and it had landed", { answersAfterMs: undefined }],
  ["no answer, and it lands when all is over", { landsAfterMs: 20_000, answersAfterMs: undefined }],
];

/** The put of that request is answered so; a 500 that lands later is answered before it does. */
const onceAt =
  (step: number, fate: Fate) =>
  (command: AnyCommand, index: number): Fate =>
    index === step && methodOf(command) === "PutObject" ? fate : {};

describe("an answer that is neither yes nor no", () => {
  for (const [what, fate] of fates)
    for (const step of steps.slice(3))
      it(`to request ${step} leaves all or nothing, as the caller was told: ${what}`, async () => {
        const here = world();
        await seed(here);
        const writer = here.start({ fateOf: onceAt(step, fate) });
        const outcome = await here.time.until(
          writer.store.commit("op", mutationsOf("2"), { timeoutMs: 2_000 }).then(
            () => "landed",
            (error: unknown) => (WarpError.is(error) ? "refused" : "unknown"),
          ),
        );
        await here.time.pass(30_000);
        const seen = await valuesOf(here, here.start());
        expect(["landed", "refused", "unknown"]).toContain(outcome);
        if (outcome === "landed") expect(seen).toEqual(after);
        if (outcome === "refused") expect(seen).toEqual(before);
        expect([before, after]).toContainEqual(seen);
        if (fate.answersAfterMs !== undefined || !("answersAfterMs" in fate)) expect(outcome).toBe("landed");
        // The same operation again settles it.
        const again = here.start();
        await here.time.until(again.store.commit("op", mutationsOf("2")).catch(() => {}));
        expect(await valuesOf(here, here.start())).toEqual(after);
        await here.time.pass(100);
        const { store } = here.start();
        for (const key of ["a", "b", "new"]) {
          const record = (await here.time.until(store.get(key))) as StoredRecord;
          expect(record.operations.filter((one) => one === "op")).toEqual(["op"]);
        }
      });
});

describe("transactions in each other's way", () => {
  const transfer = (from: string, to: string, records: ReadonlyMap<string, StoredRecord>): Mutation[] =>
    [from, to].map((key) => putOf(key, "x", { expected: records.get(key)?.revision }));

  it("that wait for each other's keys in a circle all end long before a deadline", async () => {
    const here = world();
    await seed(here);
    const read = new Map(Object.entries(await seedAgain(here)));
    const circle = [transfer("a", "b", read), transfer("b", "c", read), transfer("c", "a", read)];
    const begun = here.time.now;
    const outcomes = await here.time.until(
      Promise.allSettled(circle.map((mutations, index) => here.start().store.commit(`op ${index}`, mutations))),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(here.time.now - begun).toBeLessThan(1_000);
    expect(here.intents()).toEqual([]);
  });

  const seedAgain = async (here: World): Promise<Record<string, StoredRecord>> => {
    const keys = ["a", "b", "c"];
    const records = await here.time.until(here.start().store.getMany(keys));
    return Object.fromEntries(keys.map((key, index) => [key, records[index] as StoredRecord]));
  };

  it("that only check the same key all commit", async () => {
    const here = world();
    await seed(here);
    const check: Mutation = { kind: "check", key: "c", expected: "seed c" };
    const commits = Array.from({ length: 6 }, (_, index) =>
      here.start().store.commit(`op ${index}`, [check, putOf(`of ${index}`, "x")]),
    );
    await here.time.until(Promise.all(commits));
    expect(here.intents()).toEqual([]);
  });

  it("a writer of one key waits for a transaction under way, and then finds what that left", async () => {
    const here = world();
    await seed(here);
    const slow = here.start({ fateOf: (_command, index) => (index === commitPoint ? { landsAfterMs: 500 } : {}) });
    const commit = slow.store.commit("op", mutationsOf("2"));
    await here.time.pass(100);
    expect(here.intents()).toHaveLength(4);
    const { store } = here.start();
    const write = store.commit("one", [putOf("a", "3", { expected: "op" })]);
    await here.time.until(Promise.all([commit, write]));
    expect(await valuesOf(here, here.start())).toEqual(["3", "2", "2", "1"]);
  });
});

describe("the object of a transaction", () => {
  it("stays for a day after its end, and then goes, though tombstones stay", async () => {
    const here = world();
    await seed(here);
    const { store } = here.start();
    await here.time.until(store.commit("op", mutationsOf("2")));
    await here.time.pass(day - 10_000);
    expect(await here.time.until(store.reap())).toBe(0);
    expect(here.transactions()).toHaveLength(1);
    await here.time.pass(10_000);
    expect(await here.time.until(store.reap())).toBe(1);
    expect(here.transactions()).toEqual([]);
  });

  it("goes by itself where this process has met one", async () => {
    const here = world();
    await seed(here);
    const { store } = here.start({ store: { reapEvery: "1h" } });
    await here.time.until(store.commit("op", mutationsOf("2")));
    await here.time.until(store.get("a"));
    await here.time.pass(day + 2 * 3_600_000);
    expect(here.transactions()).toEqual([]);
    await store.close();
  });

  it("stays while it cannot be read, and keeps no other from going", async () => {
    const here = world();
    await seed(here);
    const { store } = here.start();
    here.server.objects.set("t/!odd", { bytes: bytes("?"), etag: "odd", writtenAt: here.time.now });
    await here.time.until(store.commit("op", mutationsOf("2")));
    await here.time.pass(day + 1_000);
    expect(await here.time.until(rejectionOf(store.reap()))).toMatchObject({ code: "CORRUPT" });
    expect(here.transactions()).toEqual(["t/!odd"]);
  });
});

describe("what a transaction left on a key", () => {
  it("is taken off by a reader, once its writer must be gone; until then nobody touches it", async () => {
    const here = world();
    await seed(here);
    const writer = here.start();
    writer.diesAt = commitPoint + 1;
    void writer.store.commit("op", mutationsOf("2"), { timeoutMs: 2_000 }).catch(() => {});
    await here.time.pass(1_000);
    const reader = here.start();
    expect(await valuesOf(here, reader)).toEqual(after);
    expect(here.intents()).toHaveLength(4);
    await here.time.pass(5_000);
    expect(await valuesOf(here, reader)).toEqual(after);
    await here.time.pass(100);
    expect(here.intents()).toEqual([]);
    expect(await here.time.until(reader.store.get("a", "op"))).toBe("unchanged");
  });
});

describe("getMany", () => {
  it("repeats until two passes agree, and costs two requests for each key where nobody writes", async () => {
    const here = world();
    await seed(here);
    const other = here.start();
    let moved: Promise<unknown> = Promise.resolve();
    const reader = here.start({
      fateOf: (_command, index) => {
        // Between the read of "a" and that of "b".
        if (index === 1) moved = other.store.commit("op", mutationsOf("2"));
        return index === 1 ? { landsAfterMs: 200 } : {};
      },
    });
    const records = await here.time.until(reader.store.getMany(["a", "b"]));
    await here.time.until(moved);
    expect(records.map((record) => record !== undefined && text(record))).toEqual(["2", "2"]);
    expect(reader.requests).toHaveLength(6);
    await here.time.until(reader.store.getMany(["a", "b"]));
    expect(reader.requests).toHaveLength(10);
  });
});
