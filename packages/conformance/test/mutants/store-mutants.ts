import { conflictError, type Mutation, type Store, type StoredRecord } from "@warp/core";
import { storeCases } from "../../src/index.ts";
import { type Mutant, turn } from "./mutant.ts";
import {
  changeConflicts,
  collect,
  force,
  isWrite,
  openChanged,
  renaming,
  type StoreChange,
  sending,
  showing,
} from "./store-backend.ts";

const mutant = (defect: string, caughtBy: readonly string[], change: StoreChange): Mutant => ({
  defect,
  caughtBy,
  cases: storeCases(() => openChanged(change)),
});

async function* each(keys: Iterable<string>): AsyncGenerator<string, void, void> {
  yield* keys;
}

const isExpired = ({ expiresAt }: StoredRecord, now: number): boolean => expiresAt !== undefined && expiresAt <= now;

const recordOf = (key: string, operation: string, value: Uint8Array | undefined): StoredRecord => ({
  value,
  revision: operation,
  timestamp: { micros: key.length, node: "" },
  committedAt: 1,
  operations: [operation],
  expiresAt: undefined,
});

const tooMany = (list: readonly unknown[]): void => {
  if (list.length > 500) throw new Error("too many parameters");
};

/** What is read and how keys and bytes are kept. */
const keepingMutants: readonly Mutant[] = [
  mutant("declares that its commits may land for ever", ["a store declares its facts as plain values"], (_base) => ({
    landsWithinMs: Number.POSITIVE_INFINITY,
  })),
  mutant("answers null-like records for keys it never saw", ["a key that was never written has no record"], (base) => ({
    get: async (key, unless) => (await base.get(key, unless)) ?? recordOf(key, "none", undefined),
    getMany: async (keys, unless) =>
      (await base.getMany(keys, unless)).map(
        (record, index) => record ?? recordOf(keys[index] as string, "none", undefined),
      ),
  })),
  mutant("each instance remembers what it read first", ["a read gives what the last commit left"], (base) => {
    const seen = new Map<string, StoredRecord | "unchanged" | undefined>();
    return {
      get: async (key, unless) => {
        const record = seen.get(key) ?? (await base.get(key, unless));
        if (record !== undefined && unless === undefined) seen.set(key, record);
        return record;
      },
    };
  }),
  mutant(
    "makes revisions of its own",
    ["a record carries its operation's id as revision, the writer's name and no expiry of its own"],
    (base) => ({
      ...showing(base, (record) => ({ ...record, revision: `r${record.revision}` })),
    }),
  ),
  mutant("keeps text instead of bytes", ["bytes come back intact, from none to a mebibyte"], (base) =>
    sending(base, (one) =>
      one.kind === "put" ? { ...one, value: new TextEncoder().encode(new TextDecoder().decode(one.value)) } : one,
    ),
  ),
  mutant("cuts values at 64 KiB", ["bytes come back intact, from none to a mebibyte"], (base) =>
    sending(base, (one) => (one.kind === "put" ? { ...one, value: one.value.slice(0, 65_536) } : one)),
  ),
  mutant("takes a value of no bytes for a tombstone", ["a value of no bytes is a value, not a tombstone"], (base) =>
    showing(base, (record) => (record.value?.length === 0 ? { ...record, value: undefined } : record)),
  ),
  mutant(
    "folds the case of keys",
    [
      "every legal key is taken, and none stands for another",
      "keys of the empty prefix lists every legal key as it was given",
    ],
    (base) => renaming(base, (key) => key.toLowerCase()),
  ),
  mutant("ends keys at a NUL", ["every legal key is taken, and none stands for another"], (base) =>
    renaming(base, (key) => key.split("\u0000")[0] as string),
  ),
  mutant("normalizes keys", ["every legal key is taken, and none stands for another"], (base) =>
    renaming(base, (key) => key.normalize("NFC")),
  ),
  mutant("cuts keys at 255 characters", ["every legal key is taken, and none stands for another"], (base) =>
    renaming(base, (key) => key.slice(0, 255)),
  ),
  mutant("refuses keys with a NUL", ["every legal key is taken, and none stands for another"], (base) =>
    renaming(base, (key) => {
      if (key.includes("\u0000")) throw new Error("invalid byte sequence for encoding: 0x00");
      return key;
    }),
  ),
  mutant(
    "names trimmed keys in its conflicts",
    ["a conflict names its key as it was given, whatever the key"],
    (base) => ({
      commit: (operation, mutations) =>
        changeConflicts(base.commit(operation, mutations), (conflicts) =>
          [...conflicts].map(([key, record]) => [key.trim(), record] as const),
        ),
    }),
  ),
  mutant(
    "keeps the caller's array",
    ["changing the caller's bytes after a commit changes nothing stored"],
    (base, { notes }) => ({
      ...showing(base, (record, key) => ({
        ...record,
        value: record.value && ((notes.get(`${record.revision} ${key}`) as Uint8Array | undefined) ?? record.value),
      })),
      commit: (operation, mutations) => {
        for (const one of mutations) if (one.kind === "put") notes.set(`${operation} ${one.key}`, one.value);
        return base.commit(operation, mutations);
      },
    }),
  ),
  mutant("hands out its own array", ["changing bytes that were read changes nothing stored"], (base, { notes }) =>
    showing(base, (record, key) => {
      const own = (notes.get(`${record.revision} ${key}`) as Uint8Array | undefined) ?? record.value;
      notes.set(`${record.revision} ${key}`, own);
      return { ...record, value: record.value && own };
    }),
  ),
  mutant("getMany leaves out keys without a record", ["a key that was never written has no record"], (base) => ({
    getMany: async (keys, unless) => (await base.getMany(keys, unless)).filter((record) => record !== undefined),
  })),
  mutant(
    "getMany answers a repeated key once",
    ["getMany answers in the order of its keys, with gaps and repetitions"],
    (base) => ({
      getMany: (keys, unless) => base.getMany([...new Set(keys)], unless),
    }),
  ),
  mutant(
    "getMany answers in the order of the keys' names",
    ["getMany answers in the order of its keys, with gaps and repetitions"],
    (base) => ({
      getMany: (keys, unless) => base.getMany([...keys].sort(), unless),
    }),
  ),
  mutant(
    "getMany answers a repeated key for its last revision",
    ["getMany takes a revision for each key, also for a key asked twice"],
    (base) => ({
      getMany: async (keys, unless = []) => {
        const last = new Map(keys.map((key, index) => [key, unless[index]]));
        return base.getMany(
          keys,
          keys.map((key) => last.get(key)),
        );
      },
    }),
  ),
  mutant("getMany refuses an empty list", ["getMany of no keys answers with an empty list"], (base) => ({
    getMany: async (keys, unless) => {
      if (keys.length === 0) throw new Error('syntax error at or near ")"');
      return base.getMany(keys, unless);
    },
  })),
  mutant(
    "takes at most 500 keys in a call",
    ["getMany answers a thousand keys at once", "a commit takes a thousand keys"],
    (base) => ({
      getMany: async (keys, unless) => {
        tooMany(keys);
        return base.getMany(keys, unless);
      },
      commit: async (operation, mutations) => {
        tooMany(mutations);
        return base.commit(operation, mutations);
      },
    }),
  ),
  mutant(
    "calls a record unchanged whatever revision was named",
    ["a record is given whole where another revision was named"],
    (base) => ({
      get: async (key, unless) => {
        const record = await base.get(key);
        return record !== undefined && unless !== undefined ? "unchanged" : record;
      },
    }),
  ),
  mutant("calls nothing unchanged", ["a record is called unchanged where its revision still stands"], (base) => ({
    get: (key) => base.get(key),
    getMany: (keys) => base.getMany(keys),
  })),
  mutant(
    "calls a tombstone changed",
    ["a record is called unchanged where its revision still stands"],
    (base, { data }) => ({
      get: (key, unless) => base.get(key, data.current(key)?.value === undefined ? undefined : unless),
    }),
  ),
  mutant(
    "calls an expired value unchanged",
    ["an expired value reads as a tombstone with the value's revision and expiry, and is never called unchanged"],
    (base, { data }) => ({
      get: async (key, unless) =>
        unless !== undefined && data.current(key)?.revision === unless ? "unchanged" : base.get(key, unless),
    }),
  ),
  mutant(
    "getMany names one revision for all keys",
    ["getMany takes a revision for each key, also for a key asked twice"],
    (base) => ({
      getMany: (keys, unless = []) =>
        base.getMany(
          keys,
          keys.map(() => unless[0]),
        ),
    }),
  ),
  mutant("its clock stands still", ["the store's clock moves on"], (_base, { clock }) => {
    const start = clock.now();
    return { now: async () => start };
  }),
  mutant("its clock counts seconds", ["the store's clock moves on"], (base) => ({
    now: async () => (await base.now()) / 1_000,
  })),
  mutant(
    "serves expired values",
    [
      "a value is served until its expiry by the store's clock, and no longer",
      "an expired value reads as a tombstone with the value's revision and expiry, and is never called unchanged",
    ],
    (base, { data }) => showing(base, (record, key) => ({ ...record, value: data.current(key)?.value })),
  ),
  mutant(
    "expires values early",
    ["a value is served until its expiry by the store's clock, and no longer"],
    (base, { clock }) =>
      showing(base, (record) => (isExpired(record, clock.now() + 20) ? { ...record, value: undefined } : record)),
  ),
  mutant(
    "counts a time to live from the writer's clock",
    ["an expiry is the commit time plus the time to live"],
    (base) =>
      showing(base, (record) =>
        record.expiresAt === undefined
          ? record
          : { ...record, expiresAt: record.expiresAt - record.committedAt + record.timestamp.micros / 1_000 - 5_000 },
      ),
  ),
  mutant(
    "forgets expired records",
    ["an expired value reads as a tombstone with the value's revision and expiry, and is never called unchanged"],
    (base, { clock }) => showing(base, (record) => (isExpired(record, clock.now()) ? undefined : record)),
  ),
  mutant(
    "gives an expired record a revision of its own",
    ["an expired value reads as a tombstone with the value's revision and expiry, and is never called unchanged"],
    (base, { clock }) =>
      showing(base, (record) => (isExpired(record, clock.now()) ? { ...record, revision: "expired" } : record)),
  ),
  mutant(
    "does not tell an expired record from a deleted one",
    ["an expired value reads as a tombstone with the value's revision and expiry, and is never called unchanged"],
    (base, { clock }) =>
      showing(base, (record) => (isExpired(record, clock.now()) ? { ...record, expiresAt: undefined } : record)),
  ),
  mutant(
    "takes an expired record for none",
    [
      "a commit over an expired value is conditional on that value's revision",
      "of many commits at once on one expired value exactly one lands",
    ],
    (base, { clock, data }) =>
      sending(base, (one) => {
        const current = data.current(one.key);
        if (current === undefined || !isExpired(current, clock.now())) return one;
        return { ...one, expected: one.expected === undefined ? current.revision : "none" };
      }),
  ),
  mutant(
    "an overwrite keeps the expiry of the value before",
    ["a write without a time to live ends the expiry of the value before it"],
    (base, { data }) =>
      sending(base, (one) => {
        const current = data.current(one.key);
        if (one.kind !== "put" || one.ttlMs !== undefined || current?.expiresAt === undefined) return one;
        return { ...one, ttlMs: current.expiresAt - current.committedAt };
      }),
  ),
];

/** What is done with `CallOptions`. */
const optionMutants: readonly Mutant[] = [
  mutant(
    "takes a signal for an abort",
    ["a call takes a signal and a time limit, also one with a fraction"],
    (base) => ({
      get: async (key, unless, options) => {
        if (options?.signal !== undefined) throw new Error("aborted");
        return base.get(key, unless);
      },
    }),
  ),
  mutant(
    "refuses a time limit with a fraction",
    ["a call takes a signal and a time limit, also one with a fraction"],
    (base) => ({
      commit: async (operation, mutations, options) => {
        if (!Number.isInteger(options?.timeoutMs ?? 0)) throw new Error("invalid value for parameter");
        return base.commit(operation, mutations);
      },
    }),
  ),
  mutant(
    "keeps the time limit of one call for the next",
    ["a call that was aborted or ran out of time harms no later one"],
    (base, { notes }) => ({
      get: async (key, unless, options) => {
        const limit = options?.timeoutMs ?? (notes.get("limit") as number | undefined) ?? 1_000;
        notes.set("limit", limit);
        if (limit < 10) throw new Error("canceling statement due to statement timeout");
        return base.get(key, unless);
      },
    }),
  ),
  mutant(
    "loses a connection with each call that was aborted",
    ["a call that was aborted or ran out of time harms no later one"],
    (base, { notes }) => ({
      commit: async (operation, mutations, options) => {
        const lost = (notes.get("lost") as number | undefined) ?? 0;
        if (lost > 10) throw new Error("no connection free");
        if (options?.signal?.aborted !== true) return base.commit(operation, mutations);
        notes.set("lost", lost + 1);
        throw new Error("aborted");
      },
    }),
  ),
  mutant(
    "lands half of a commit that was aborted",
    ["a call that was aborted or ran out of time harms no later one"],
    (base) => ({
      commit: (operation, mutations, options) =>
        base.commit(
          operation,
          mutations.map((one) =>
            one.kind === "put" && options?.signal?.aborted === true ? { ...one, value: new Uint8Array(0) } : one,
          ),
        ),
    }),
  ),
];

/** Conditions, answers, order. */
const commitMutants: readonly Mutant[] = [
  mutant(
    "commits whatever stands",
    [
      "a commit on a revision lands only where that revision stands",
      "a commit on no record lands only where there is none, not on a tombstone",
    ],
    (base, backend) => ({
      commit: (operation, mutations) => force(backend, base, operation, mutations),
    }),
  ),
  mutant(
    "takes a tombstone for no record",
    ["a commit on no record lands only where there is none, not on a tombstone"],
    (base, { data }) =>
      sending(base, (one) => {
        const current = data.current(one.key);
        const absent = one.expected === undefined && current?.value === undefined && current?.expiresAt === undefined;
        return absent ? { ...one, expected: current?.revision } : one;
      }),
  ),
  mutant(
    "takes no record for any revision",
    ["a commit on a revision does not land where there is no record"],
    (base, { data }) =>
      sending(base, (one) => (data.current(one.key) === undefined ? { ...one, expected: undefined } : one)),
  ),
  mutant(
    "accepts no revision of a tombstone",
    ["a commit on a tombstone's revision lands", "of many commits at once on one tombstone exactly one lands"],
    (base, { data }) =>
      sending(base, (one) => {
        const current = data.current(one.key);
        return current !== undefined && current.value === undefined ? { ...one, expected: "none" } : one;
      }),
  ),
  mutant(
    "compares only whether a record is there",
    ["a commit on a revision lands only where that revision stands"],
    (base, { data }) =>
      sending(base, (one) =>
        one.expected === undefined ? one : { ...one, expected: data.current(one.key)?.revision },
      ),
  ),
  mutant(
    "a delete of nothing leaves nothing",
    ["a delete leaves a tombstone with a revision of its own, also where there was nothing"],
    (base, { data }) => ({
      commit: async (operation, mutations) => {
        const [one] = mutations;
        const nothing = mutations.length === 1 && one?.kind === "delete" && data.current(one.key) === undefined;
        if (nothing && one.expected === undefined) return [recordOf(one.key, operation, undefined)];
        return base.commit(operation, mutations);
      },
    }),
  ),
  mutant(
    "a tombstone shows the revision of the value it ended",
    ["a delete leaves a tombstone with a revision of its own, also where there was nothing"],
    (base) =>
      showing(base, (record) =>
        record.value === undefined ? { ...record, revision: record.operations[1] ?? record.revision } : record,
      ),
  ),
  mutant(
    "makes a tombstone of what is only checked",
    ["a check of no record answers undefined and leaves none behind"],
    (base, { data }) => ({
      commit: async (operation, mutations) => {
        const records = await base.commit(operation, mutations);
        for (const one of mutations)
          if (one.kind === "check" && one.expected === undefined && data.current(one.key) === undefined) {
            const timestamp = { micros: 1, node: "" };
            await base.commit(operation, [
              { kind: "delete", key: one.key, expected: undefined, timestamp, history: undefined },
            ]);
          }
        return records;
      },
    }),
  ),
  mutant("a check writes the value again", ["a check changes nothing and answers with what stands"], (base, { data }) =>
    sending(base, (one) => {
      const current = data.current(one.key);
      if (one.kind !== "check" || current?.value === undefined) return one;
      return {
        ...one,
        kind: "put",
        value: current.value,
        ttlMs: undefined,
        history: undefined,
        timestamp: current.timestamp,
      };
    }),
  ),
  mutant(
    "does not check",
    ["a check that fails fails the commit it is in", "a commit of checks alone takes place only if they hold"],
    (base, { data }) =>
      sending(base, (one) => (isWrite(one) ? one : { ...one, expected: data.current(one.key)?.revision })),
  ),
  mutant(
    "answers only for what it wrote",
    ["a check changes nothing and answers with what stands", "a commit answers in the order of its mutations"],
    (base) => ({
      commit: async (operation, mutations) => {
        const records = await base.commit(operation, mutations);
        return records.filter((_, index) => isWrite(mutations[index] as Mutation));
      },
    }),
  ),
  mutant("answers in the order of the keys' names", ["a commit answers in the order of its mutations"], (base) => ({
    commit: (operation, mutations) =>
      base.commit(
        operation,
        [...mutations].sort((a, b) => (a.key < b.key ? -1 : 1)),
      ),
  })),
  mutant(
    "commits one key after another",
    ["a commit lands on all of its keys or on none, wherever the one that moved stands"],
    (base) => ({
      commit: async (operation, mutations) => {
        const records: (StoredRecord | undefined)[] = [];
        for (const one of mutations) records.push(...(await base.commit(operation, [one])));
        return records;
      },
    }),
  ),
  mutant(
    "names one of the keys that moved",
    ["a conflict names every key that moved with what it holds now, and no other key"],
    (base) => ({
      commit: (operation, mutations) =>
        changeConflicts(base.commit(operation, mutations), (conflicts) => [...conflicts].slice(0, 1)),
    }),
  ),
  mutant(
    "names every key of a refused commit",
    ["a conflict names every key that moved with what it holds now, and no other key"],
    (base, { data }) => ({
      commit: (operation, mutations) =>
        changeConflicts(base.commit(operation, mutations), () =>
          mutations.map(({ key }) => [key, data.current(key)] as const),
        ),
    }),
  ),
  mutant(
    "a conflict does not say what is held",
    ["a conflict names every key that moved with what it holds now, and no other key"],
    (base) => ({
      commit: (operation, mutations) =>
        changeConflicts(base.commit(operation, mutations), (conflicts) =>
          [...conflicts].map(([key]) => [key, undefined] as const),
        ),
    }),
  ),
  mutant(
    "answers a repeated operation as if it had just landed",
    ["an operation sent twice lands once"],
    (base, { data }) => ({
      commit: async (operation, mutations) => {
        const current = mutations.map(({ key }) => data.current(key));
        return current.every((record) => record?.operations.includes(operation))
          ? current
          : base.commit(operation, mutations);
      },
    }),
  ),
  mutant(
    "names its operations oldest first",
    ["a record names its last operations, newest first, also after deletes"],
    (base) => showing(base, (record) => ({ ...record, operations: record.operations.toReversed() })),
  ),
  mutant(
    "names the last fifteen operations",
    [
      "a record names its last operations, newest first, also after deletes",
      "the outcome of an operation can be read back while fifteen others follow it",
    ],
    (base) => showing(base, (record) => ({ ...record, operations: record.operations.slice(0, 15) })),
  ),
  mutant(
    "names no operation but the last",
    [
      "the outcome of an operation can be read back while fifteen others follow it",
      "a record names its last operations, newest first, also after deletes",
    ],
    (base) => showing(base, (record) => ({ ...record, operations: record.operations.slice(0, 1) })),
  ),
  mutant(
    "forgets the operations before a delete",
    [
      "a record names its last operations, newest first, also after deletes",
      "the outcome of an operation can be read back while fifteen others follow it",
    ],
    (base, { notes }) =>
      showing(base, (record, key) => {
        if (record.value === undefined && record.expiresAt === undefined) notes.set(key, record.revision);
        const deleted = record.operations.indexOf(notes.get(key) as string);
        return { ...record, operations: record.operations.slice(0, deleted < 0 ? undefined : deleted + 1) };
      }),
  ),
  mutant(
    "makes the revision of the value",
    [
      "a revision never comes back, also after a delete and the same value again",
      "a revision never comes back, also after the same value again",
    ],
    (base, { data }) => {
      const shown = (record: StoredRecord): string =>
        `v${Buffer.from(record.value ?? [])
          .toString("hex")
          .slice(0, 40)}`;
      const changed = showing(base, (record) => ({ ...record, revision: shown(record) }));
      return {
        ...changed,
        commit: async (operation, mutations) =>
          (changed.commit as Store["commit"])(
            operation,
            mutations.map((one) => {
              const current = data.current(one.key);
              const stands = current !== undefined && one.expected === shown(current);
              return stands ? { ...one, expected: current.revision } : one;
            }),
          ),
      };
    },
  ),
  mutant(
    "takes the writer's timestamp as it is",
    ["timestamps grow along a key, though the writers' own go back"],
    (base, { notes }) => ({
      ...showing(base, (record) => ({
        ...record,
        timestamp: (notes.get(record.revision) as StoredRecord["timestamp"]) ?? record.timestamp,
      })),
      commit: async (operation, mutations) => {
        const records = await base.commit(operation, mutations);
        return records.map((record, index) => {
          const one = mutations[index] as Mutation;
          if (record === undefined || !isWrite(one)) return record;
          notes.set(operation, one.timestamp);
          return { ...record, timestamp: one.timestamp };
        });
      },
    }),
  ),
  mutant(
    "takes its clock's reading for a timestamp, also where that stands still",
    ["timestamps grow also where two writers read the same instant"],
    (base) =>
      showing(base, (record) => ({
        ...record,
        timestamp: { ...record.timestamp, micros: record.committedAt * 1_000 },
      })),
  ),
  mutant("signs every timestamp itself", ["a timestamp names the node that wrote it"], (base) =>
    showing(base, (record) => ({ ...record, timestamp: { ...record.timestamp, node: "store" } })),
  ),
  mutant(
    "dates commits by the writer's clock",
    ["a commit is dated by the store's clock, not by the writer's"],
    (base, { notes }) => {
      const dated = showing(base, (record) => ({
        ...record,
        committedAt: (notes.get(record.revision) as number | undefined) ?? record.committedAt,
      }));
      return {
        ...dated,
        commit: (operation, mutations) => {
          for (const one of mutations) if (isWrite(one)) notes.set(operation, one.timestamp.micros / 1_000);
          return (dated.commit as Store["commit"])(operation, mutations);
        },
      };
    },
  ),
  mutant(
    "each instance dates commits by its own clock",
    ["commit times never go back along a key"],
    (base, { notes }) => {
      const lateMs = notes.has("second instance") ? 5_000 : 0;
      notes.set("second instance", true);
      return {
        commit: async (operation, mutations) =>
          (await base.commit(operation, mutations)).map(
            (record) => record && { ...record, committedAt: record.committedAt - lateMs },
          ),
      };
    },
  ),
  mutant(
    "dates commits by a clock that goes back",
    ["commit times never go back along a key, though the store's clock does"],
    (base, { clock }) => ({
      commit: async (operation, mutations) =>
        (await base.commit(operation, mutations)).map(
          (record) => record && { ...record, committedAt: Math.min(record.committedAt, clock.now()) },
        ),
    }),
  ),
  mutant(
    "remembers refused operations as if they had landed",
    ["what a refused commit brought leaves no trace"],
    (base, { notes }) => ({
      ...showing(base, (record, key) => ({
        ...record,
        operations: [...record.operations, ...((notes.get(key) as string[]) ?? [])],
      })),
      commit: async (operation, mutations) => {
        const extra = (key: string): string[] => (notes.get(key) as string[]) ?? [];
        try {
          const records = await base.commit(operation, mutations);
          return records.map(
            (record, index) =>
              record && { ...record, operations: [...record.operations, ...extra((mutations[index] as Mutation).key)] },
          );
        } catch (error) {
          for (const { key } of mutations) notes.set(key, [...extra(key), operation]);
          throw error;
        }
      },
    }),
  ),
];

/** Several writers. */
const raceMutants: readonly Mutant[] = [
  mutant(
    "looks first and commits then",
    [
      "of many commits at once on no record exactly one lands",
      "of many commits at once on one revision exactly one lands",
      "of many commits at once on one tombstone exactly one lands",
      "of many commits at once on one expired value exactly one lands",
      "no increment is lost between writers that read, then commit on what they read",
      "an operation sent twice at the same time lands once",
    ],
    (base, backend) => ({
      commit: async (operation, mutations) => {
        const moved = mutations.filter(({ key, expected }) => backend.data.current(key)?.revision !== expected);
        if (moved.length > 0) return base.commit(operation, mutations);
        await turn();
        return force(backend, base, operation, mutations);
      },
    }),
  ),
  mutant(
    "checks before its transaction begins",
    [
      "of two commits that each check that the other's key is absent at most one lands",
      "of two commits that each check what the other writes at most one lands",
    ],
    (base, { data }) => ({
      commit: async (operation, mutations) => {
        const moved = mutations.filter(({ key, expected }) => data.current(key)?.revision !== expected);
        if (moved.length > 0) return base.commit(operation, mutations);
        const checked = mutations.map((one) => (isWrite(one) ? undefined : data.current(one.key)));
        await turn();
        const written = await base.commit(operation, mutations.filter(isWrite));
        const left = [...written];
        return mutations.map((one, index) => (isWrite(one) ? left.shift() : checked[index]));
      },
    }),
  ),
  mutant(
    "locks keys in the order of the mutations",
    ["commits that overlap in opposite orders all end, and none is half done"],
    (base, { notes }) => ({
      commit: async (operation, mutations) => {
        const held: string[] = [];
        try {
          for (const { key } of mutations) {
            for (let waited = 0; notes.has(key); waited += 1) {
              if (waited > 50) throw new Error("deadlock detected");
              await turn();
            }
            notes.set(key, operation);
            held.push(key);
            await turn();
          }
          return await base.commit(operation, mutations);
        } finally {
          for (const key of held) notes.delete(key);
        }
      },
    }),
  ),
  mutant("getMany reads one key after another", ["getMany sees one state of the store, not half a commit"], (base) => ({
    getMany: async (keys, unless = []) => {
      const records: (StoredRecord | "unchanged" | undefined)[] = [];
      for (const [index, key] of keys.entries()) {
        records.push(await base.get(key, unless[index]));
        await turn();
      }
      return records;
    },
    commit: async (operation, mutations) => {
      await turn();
      return base.commit(operation, mutations);
    },
  })),
  mutant(
    "refuses a commit while another is under way, whatever its keys",
    ["commits on different keys do not disturb each other"],
    (base, { data, notes }) => ({
      commit: async (operation, mutations) => {
        if (notes.has("busy")) throw conflictError(new Map(mutations.map(({ key }) => [key, data.current(key)])));
        notes.set("busy", true);
        await turn();
        return base.commit(operation, mutations).finally(() => notes.delete("busy"));
      },
    }),
  ),
];

/** `prefix` with `one` for any character and `many` for any run of them. */
const likePattern = (prefix: string, one: string, many: string): RegExp => {
  const literal = (sign: string): string => sign.replace(/[.*+?^${}()|[\]\\]/u, "\\$&");
  const part = (sign: string): string => (sign === one ? "." : sign === many ? ".*" : literal(sign));
  return new RegExp(`^${[...prefix].map(part).join("")}`, "su");
};

/** What is listed. */
const keysMutants: readonly Mutant[] = [
  mutant(
    "lists tombstones",
    ["keys lists every key with a live value once, and neither tombstones nor expired values"],
    (_base, { data, clock }) => ({
      keys: (prefix) =>
        each(
          [...data.records()]
            .filter(([key, record]) => key.startsWith(prefix) && !isExpired(record, clock.now()))
            .map(([key]) => key),
        ),
    }),
  ),
  mutant(
    "lists expired values",
    ["keys lists every key with a live value once, and neither tombstones nor expired values"],
    (_base, { data }) => ({
      keys: (prefix) =>
        each(
          [...data.records()]
            .filter(([key, { value }]) => key.startsWith(prefix) && value !== undefined)
            .map(([key]) => key),
        ),
    }),
  ),
  mutant("lists keys that were only looked at", ["a key that was only looked at is not listed"], (base, { notes }) => ({
    get: (key, unless) => {
      notes.set(key, true);
      return base.get(key, unless);
    },
    keys: async function* (prefix) {
      yield* new Set([...(await collect(base.keys(prefix))), ...notes.keys()]);
    },
  })),
  mutant("lists escaped keys", ["keys of the empty prefix lists every legal key as it was given"], (base) => ({
    keys: async function* (prefix) {
      for (const key of await collect(base.keys(prefix))) yield encodeURI(key);
    },
  })),
  mutant(
    "takes % and _ in a prefix for wildcards",
    ["keys takes its prefix literally, whatever signs are in it"],
    (base) => ({
      keys: async function* (prefix) {
        for (const key of await collect(base.keys(""))) if (likePattern(prefix, "_", "%").test(key)) yield key;
      },
    }),
  ),
  mutant(
    "takes * and ? in a prefix for wildcards",
    ["keys takes its prefix literally, whatever signs are in it"],
    (base) => ({
      keys: async function* (prefix) {
        for (const key of await collect(base.keys(""))) if (likePattern(prefix, "?", "*").test(key)) yield key;
      },
    }),
  ),
  mutant(
    "takes a prefix without regard to case",
    ["keys takes its prefix literally, whatever signs are in it"],
    (base) => ({
      keys: async function* (prefix) {
        for (const key of await collect(base.keys("")))
          if (key.toLowerCase().startsWith(prefix.toLowerCase())) yield key;
      },
    }),
  ),
  mutant("bounds a prefix by \\uffff", ["keys of the empty prefix lists every legal key as it was given"], (base) => ({
    keys: async function* (prefix) {
      for (const key of await collect(base.keys(""))) if (key >= prefix && key < `${prefix}\uffff`) yield key;
    },
  })),
  mutant(
    "takes the empty prefix for none",
    ["keys of the empty prefix lists every legal key as it was given"],
    (base) => ({
      keys: (prefix) => (prefix === "" ? each([]) : base.keys(prefix)),
    }),
  ),
  mutant("lists the first thousand keys", ["keys lists more than a thousand keys, each once"], (base) => ({
    keys: async function* (prefix) {
      yield* (await collect(base.keys(prefix))).slice(0, 1_000);
    },
  })),
  mutant("lists the last key of each page again", ["keys lists more than a thousand keys, each once"], (base) => ({
    keys: async function* (prefix) {
      for (const [index, key] of (await collect(base.keys(prefix))).entries()) {
        yield key;
        if (index % 500 === 499) yield key;
      }
    },
  })),
  mutant(
    "keeps a connection for each walk that was abandoned",
    ["a walk over keys can be abandoned midway, again and again"],
    (base, { notes }) => ({
      keys: async function* (prefix) {
        const open = (notes.get("open") as number | undefined) ?? 0;
        if (open === 10) throw new Error("no connection free");
        notes.set("open", open + 1);
        for (const key of await collect(base.keys(prefix))) yield key;
        notes.set("open", (notes.get("open") as number) - 1);
      },
    }),
  ),
  mutant(
    "has one connection, which a walk keeps",
    ["the store answers while a walk over keys is under way"],
    (base, { notes }) => {
      const free = (): void => {
        if (notes.has("walk")) throw new Error("no connection free");
      };
      return {
        keys: async function* (prefix) {
          notes.set("walk", true);
          try {
            yield* base.keys(prefix);
          } finally {
            notes.delete("walk");
          }
        },
        get: async (key, unless) => {
          free();
          return base.get(key, unless);
        },
      };
    },
  ),
  mutant(
    "pages by position in the order of change",
    ["a walk over keys lists each key that is live throughout once, whatever others write meanwhile"],
    (_base, { data }) => ({
      keys: async function* (prefix) {
        for (let offset = 0; ; offset += 100) {
          const page = [...data.records()]
            .filter(([key, { value }]) => key.startsWith(prefix) && value !== undefined)
            .sort(([, a], [, b]) => a.timestamp.micros - b.timestamp.micros)
            .slice(offset, offset + 100);
          if (page.length === 0) return;
          for (const [key] of page) yield key;
        }
      },
    }),
  ),
];

export const storeMutants: readonly Mutant[] = [
  ...keepingMutants,
  ...optionMutants,
  ...commitMutants,
  ...raceMutants,
  ...keysMutants,
];
