import { type HistoryRetention, type MemoryStore, type Mutation, type StoredRecord, WarpError } from "@warp/core";
import { historyCases } from "../../src/index.ts";
import type { Mutant } from "./mutant.ts";
import { type Backend, isWrite, openChanged, type StoreChange, sending } from "./store-backend.ts";

const mutant = (defect: string, caughtBy: readonly string[], change: StoreChange): Mutant => ({
  defect,
  caughtBy,
  cases: historyCases(() => openChanged(change)),
});

const unavailable = (): never => {
  throw new WarpError("HISTORY_UNAVAILABLE", "not kept");
};

const currentOf = ({ data }: Backend, key: string): StoredRecord | undefined => data.current(key);

const keepingAs = (base: MemoryStore, change: (history: HistoryRetention) => HistoryRetention | undefined) =>
  sending(base, (one) => (isWrite(one) && one.history !== undefined ? { ...one, history: change(one.history) } : one));

/** Every version ever committed under `key`, oldest first, whatever was to be kept. */
const versionsOf = ({ notes }: Backend, key: string): StoredRecord[] => {
  const versions = (notes.get(`versions of ${key}`) as StoredRecord[] | undefined) ?? [];
  notes.set(`versions of ${key}`, versions);
  return versions;
};

const noting = (base: MemoryStore, backend: Backend): Pick<MemoryStore, "commit"> => ({
  commit: async (operation, mutations) => {
    const records = await base.commit(operation, mutations);
    for (const [index, record] of records.entries()) {
      const one = mutations[index] as Mutation;
      if (record !== undefined && isWrite(one)) versionsOf(backend, one.key).push(record);
    }
    return records;
  },
});

export const historyMutants: readonly Mutant[] = [
  mutant(
    "takes a signal for an abort",
    ["a call takes a signal and a time limit, also one with a fraction"],
    (base) => ({
      getAt: async (key, at, options) => {
        if (options?.signal !== undefined) throw new Error("aborted");
        return base.getAt(key, at);
      },
    }),
  ),
  mutant(
    "lets a version begin after its commit",
    [
      "a version stands from its commit, that instant included, until the next",
      "the last version stands from its commit on, also in times to come",
    ],
    (base) => ({ getAt: (key, at) => base.getAt(key, at - 0.5) }),
  ),
  mutant(
    "lets a version end before the next",
    ["a version stands from its commit, that instant included, until the next"],
    (base) => ({ getAt: (key, at) => base.getAt(key, at + 1) }),
  ),
  mutant(
    "dates versions by their writers",
    ["the past is dated by the store's clock, whatever the writers' say"],
    (base, backend) => ({
      ...noting(base, backend),
      getAt: async (key, at) =>
        versionsOf(backend, key).findLast(({ revision }) => {
          return (backend.notes.get(revision) as number) <= at;
        }),
      commit: async (operation, mutations) => {
        const records = await noting(base, backend).commit(operation, mutations);
        const [one] = mutations;
        if (one !== undefined && isWrite(one)) backend.notes.set(operation, one.timestamp.micros / 1_000);
        return records;
      },
    }),
  ),
  mutant(
    "takes the first version for what stood before it",
    ["before its first commit a key had no record"],
    (base, backend) => ({
      ...noting(base, backend),
      getAt: async (key, at) => (await base.getAt(key, at)) ?? versionsOf(backend, key)[0],
    }),
  ),
  mutant(
    "does not know whether a key that it never saw had a record",
    ["a key that was never written had no record at any time"],
    (base, backend) => ({
      getAt: async (key, at) => (currentOf(backend, key) === undefined ? unavailable() : base.getAt(key, at)),
    }),
  ),
  mutant(
    "leaves out tombstones",
    ["between a delete and the next put the past holds a record without a value"],
    (base) => ({
      getAt: async (key, at) => {
        const record = await base.getAt(key, at);
        return record?.value === undefined ? undefined : record;
      },
    }),
  ),
  mutant(
    "answers with the last value before a delete",
    ["between a delete and the next put the past holds a record without a value"],
    (base) => ({
      getAt: async (key, at) => {
        let record = await base.getAt(key, at);
        while (record !== undefined && record.value === undefined && record.expiresAt === undefined)
          record = await base.getAt(key, record.committedAt - 1);
        return record;
      },
    }),
  ),
  mutant(
    "knows nothing of times to come",
    [
      "the last version stands from its commit on, also in times to come",
      "the past stays in order though the store's clock goes back",
    ],
    (base, { clock }) => ({
      getAt: (key, at) => (at > clock.now() ? unavailable() : base.getAt(key, at)),
    }),
  ),
  mutant(
    "of versions with one commit time it takes the first",
    ["of versions with one commit time the last counts"],
    (base, backend) => ({
      ...noting(base, backend),
      getAt: async (key, at) => {
        const record = await base.getAt(key, at);
        const same = versionsOf(backend, key).find(({ committedAt }) => committedAt === record?.committedAt);
        return record && { ...(same ?? record), value: record.value && (same ?? record).value };
      },
    }),
  ),
  mutant(
    "forgets that values expired",
    ["a value that had expired then comes without a value, and with it where it had not"],
    (base, backend) => ({
      ...noting(base, backend),
      getAt: async (key, at) => {
        const record = await base.getAt(key, at);
        return versionsOf(backend, key).find(({ revision }) => revision === record?.revision);
      },
    }),
  ),
  mutant(
    "judges expiry by today, not by the instant asked for",
    ["a value that had expired then comes without a value, and with it where it had not"],
    (base, { clock }) => ({
      getAt: async (key, at) => {
        const record = await base.getAt(key, at);
        const expired = record?.expiresAt !== undefined && record.expiresAt <= clock.now();
        return record !== undefined && expired ? { ...record, value: undefined } : record;
      },
    }),
  ),
  mutant("keeps the past as text", ["the past of a value is its bytes, intact"], (base) => ({
    getAt: async (key, at) => {
      const record = await base.getAt(key, at);
      const value = record?.value;
      return record && { ...record, value: value && new TextEncoder().encode(new TextDecoder().decode(value)) };
    },
  })),
  mutant("mixes the pasts of keys that differ in case", ["each key has its own past, whatever the key"], (base) => ({
    getAt: (key, at) => base.getAt(key.toLowerCase(), at),
  })),
  mutant(
    "hands out its own array",
    ["changing bytes that came from the past changes nothing kept"],
    (base, { notes }) => ({
      getAt: async (key, at) => {
        const record = await base.getAt(key, at);
        const own = notes.get(`${record?.revision}`) ?? record;
        notes.set(`${record?.revision}`, own);
        return own as StoredRecord | undefined;
      },
    }),
  ),
  mutant(
    "does not bound the number of versions",
    ["a bound on versions keeps that many former ones, and answers HISTORY_UNAVAILABLE before"],
    (base) => keepingAs(base, (history) => ({ ...history, versions: undefined })),
  ),
  mutant(
    "keeps one version fewer than asked",
    ["a bound on versions keeps that many former ones, and answers HISTORY_UNAVAILABLE before"],
    (base) => keepingAs(base, ({ versions, maxAgeMs }) => ({ versions: versions && versions - 1, maxAgeMs })),
  ),
  mutant(
    "does not bound the age of versions",
    ["a former version past its age is HISTORY_UNAVAILABLE, while the current one stands however old"],
    (base) => keepingAs(base, (history) => ({ ...history, maxAgeMs: undefined })),
  ),
  mutant("obeys the first bound it finds", ["both bounds hold"], (base) =>
    keepingAs(base, (history) => (history.versions === undefined ? history : { ...history, maxAgeMs: undefined })),
  ),
  mutant(
    "counts a version's age from its own commit",
    ["a bound on age keeps a former version for that long after it was superseded"],
    (base, { notes, clock }) => ({
      ...sending(base, (one) => {
        if (isWrite(one)) notes.set(one.key, one.history?.maxAgeMs);
        return one;
      }),
      getAt: async (key, at) => {
        const record = await base.getAt(key, at);
        const maxAgeMs = (notes.get(key) as number | undefined) ?? Number.POSITIVE_INFINITY;
        const standing = (await base.get(key)) as StoredRecord | undefined;
        if (record === undefined || record.revision === standing?.revision) return record;
        return record.committedAt + maxAgeMs < clock.now() ? unavailable() : record;
      },
    }),
  ),
  mutant(
    "lets the current version grow too old",
    ["a former version past its age is HISTORY_UNAVAILABLE, while the current one stands however old"],
    (base, { notes, clock }) => ({
      ...sending(base, (one) => {
        if (isWrite(one)) notes.set(one.key, one.history?.maxAgeMs);
        return one;
      }),
      getAt: async (key, at) => {
        const record = await base.getAt(key, at);
        const maxAgeMs = (notes.get(key) as number | undefined) ?? Number.POSITIVE_INFINITY;
        return record !== undefined && record.committedAt + maxAgeMs < clock.now() ? unavailable() : record;
      },
    }),
  ),
  mutant(
    "answers with an older version where one is not kept",
    [
      "a version is kept only if the write that supersedes it says so",
      "a bound on versions keeps that many former ones, and answers HISTORY_UNAVAILABLE before",
    ],
    (base) => ({
      getAt: async (key, at) => {
        for (let earlier = at; earlier > at - 10_000; earlier -= 1) {
          const record = await base.getAt(key, earlier).catch(() => "not kept" as const);
          if (record !== "not kept") return record;
        }
        return undefined;
      },
    }),
  ),
  mutant(
    "keeps versions that nobody asked to keep",
    ["a version is kept only if the write that supersedes it says so"],
    (base) =>
      sending(base, (one) =>
        isWrite(one) ? { ...one, history: one.history ?? { versions: undefined, maxAgeMs: undefined } } : one,
      ),
  ),
  mutant(
    "forgets the whole past at a write without history",
    ["a version is kept only if the write that supersedes it says so"],
    (base, backend) => ({
      ...noting(base, backend),
      commit: async (operation, mutations) => {
        const records = await noting(base, backend).commit(operation, mutations);
        const [one] = mutations;
        if (one !== undefined && isWrite(one) && one.history === undefined)
          backend.notes.set(one.key, records[0]?.committedAt);
        return records;
      },
      getAt: async (key, at) => {
        const forgotten = (backend.notes.get(key) as number | undefined) ?? 0;
        const first = versionsOf(backend, key)[0]?.committedAt ?? 0;
        return first < forgotten && at >= first && at < forgotten ? unavailable() : base.getAt(key, at);
      },
    }),
  ),
  mutant("counts a check as a version", ["a check is no version"], (base, { data }) => ({
    commit: async (operation, mutations) => {
      const rewritten = mutations.map((one): Mutation => {
        const current = data.current(one.key);
        if (isWrite(one) || current?.value === undefined) return one;
        const history = data.retention(one.key);
        return { ...one, kind: "put", value: current.value, ttlMs: undefined, timestamp: current.timestamp, history };
      });
      const before = mutations.map(({ key }) => data.current(key));
      const records = await base.commit(`${operation}`, rewritten);
      return records.map((record, index) => (isWrite(mutations[index] as Mutation) ? record : before[index]));
    },
  })),
  mutant("counts a refused commit as a version", ["a refused commit is no version"], (base, { data }) => ({
    commit: async (operation, mutations) => {
      const [one] = mutations;
      const moved = mutations.some(({ key, expected }) => data.current(key)?.revision !== expected);
      if (one !== undefined && isWrite(one) && moved) {
        const current = data.current(one.key);
        await base.commit(operation, [{ ...one, expected: current?.revision }]);
      }
      return base.commit(operation, mutations);
    },
  })),
  mutant("keeps the past of the first key of a commit", ["every key of a commit gets its version"], (base) => ({
    commit: (operation, mutations) =>
      base.commit(
        operation,
        mutations.map((one, index) => (index > 0 && isWrite(one) ? { ...one, history: undefined } : one)),
      ),
  })),
  mutant("keeps thirty versions at most", ["without bounds the past is kept whole"], (base) =>
    keepingAs(base, ({ versions, maxAgeMs }) => ({ versions: versions ?? 30, maxAgeMs })),
  ),
  mutant(
    "each instance knows the past of what it wrote itself",
    [
      "a version stands from its commit, that instant included, until the next",
      "every key of a commit gets its version",
    ],
    (base, { notes }) => {
      const own = new Set<string>();
      notes.set("any", true);
      return {
        commit: (operation, mutations) => {
          for (const { key } of mutations) own.add(key);
          return base.commit(operation, mutations);
        },
        getAt: async (key, at) => (own.has(key) ? base.getAt(key, at) : undefined),
      };
    },
  ),
  mutant(
    "shows former versions under the current revision",
    ["a version stands from its commit, that instant included, until the next"],
    (base) => ({
      getAt: async (key, at) => {
        const record = await base.getAt(key, at);
        const standing = await base.get(key);
        return record && standing !== undefined && standing !== "unchanged"
          ? { ...record, revision: standing.revision }
          : record;
      },
    }),
  ),
];
