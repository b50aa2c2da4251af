import {
  conflictError,
  conflictsOf,
  type DeleteMutation,
  type History,
  MemoryStore,
  MemoryStoreData,
  type Mutation,
  type OperationId,
  type PutMutation,
  type Store,
  type StoredRecord,
} from "@warp/core";
import type { HistorySubject } from "../../src/index.ts";
import { ManualClock } from "../manual-clock.ts";

export type HistoricStore = Store & History;

/** What the two instances of a subject share. */
export interface Backend {
  readonly clock: ManualClock;
  readonly data: MemoryStoreData;
  /** For whatever a mutant keeps beside the data. */
  readonly notes: Map<string, unknown>;
}

/** The defect: what one instance does otherwise than `base`. */
export type StoreChange = (base: MemoryStore, backend: Backend) => Partial<HistoricStore>;

const delegate = (base: MemoryStore): HistoricStore => ({
  portVersion: 1,
  atomicBatch: true,
  conditionalDelete: true,
  landsWithinMs: 0,
  get: (key, unless) => base.get(key, unless),
  getMany: (keys, unless) => base.getMany(keys, unless),
  commit: (operation, mutations) => base.commit(operation, mutations),
  keys: (prefix) => base.keys(prefix),
  now: () => base.now(),
  getAt: (key, at) => base.getAt(key, at),
});

export const openChanged = (change: StoreChange): HistorySubject => {
  const backend: Backend = { clock: new ManualClock(), data: new MemoryStoreData(), notes: new Map() };
  const make = (): HistoricStore => {
    const base = new MemoryStore(backend);
    return { ...delegate(base), ...change(base, backend) };
  };
  return {
    port: make(),
    other: make(),
    advance: (ms) => backend.clock.advance(ms),
    setClockBack: (ms) => backend.clock.setBack(ms),
  };
};

/** Rethrows a `CONFLICT` with other conflicts. */
export const changeConflicts = async <T>(
  commit: Promise<T>,
  change: (
    conflicts: ReadonlyMap<string, StoredRecord | undefined>,
  ) => Iterable<readonly [string, StoredRecord | undefined]>,
): Promise<T> => {
  try {
    return await commit;
  } catch (error) {
    const conflicts = conflictsOf(error);
    if (conflicts === undefined) throw error;
    throw conflictError(new Map(change(conflicts)));
  }
};

type MapRecord = (record: StoredRecord, key: string) => StoredRecord | undefined;

/** Every record shown otherwise than it is stored. */
export const showing = (base: MemoryStore, map: MapRecord): Partial<HistoricStore> => {
  const show = <T extends "unchanged" | undefined>(
    record: StoredRecord | T,
    key: string,
  ): StoredRecord | T | undefined => (record === undefined || record === "unchanged" ? record : map(record, key));
  return {
    get: async (key, unless) => show(await base.get(key, unless), key),
    getMany: async (keys, unless) =>
      (await base.getMany(keys, unless)).map((record, index) => show(record, keys[index] as string)),
    commit: async (operation, mutations) => {
      const records = await changeConflicts(base.commit(operation, mutations), (conflicts) =>
        [...conflicts].map(([key, record]) => [key, show<undefined>(record, key)] as const),
      );
      return records.map((record, index) => show<undefined>(record, (mutations[index] as Mutation).key));
    },
  };
};

/** Every key stored under another name. */
export const renaming = (base: MemoryStore, rename: (key: string) => string): Partial<HistoricStore> => ({
  get: (key, unless) => base.get(rename(key), unless),
  getMany: (keys, unless) => base.getMany(keys.map(rename), unless),
  commit: (operation, mutations) =>
    base.commit(
      operation,
      mutations.map((one) => ({ ...one, key: rename(one.key) })),
    ),
  getAt: (key, at) => base.getAt(rename(key), at),
});

/** Every mutation sent otherwise than it was given. */
export const sending = (base: MemoryStore, map: (mutation: Mutation) => Mutation): Partial<HistoricStore> => ({
  commit: (operation, mutations) => base.commit(operation, mutations.map(map)),
});

export const isWrite = (mutation: Mutation): mutation is PutMutation | DeleteMutation => mutation.kind !== "check";

/** Commits whatever stands. */
export const force = (
  backend: Backend,
  base: MemoryStore,
  operation: OperationId,
  mutations: readonly Mutation[],
): Promise<readonly (StoredRecord | undefined)[]> =>
  base.commit(
    operation,
    mutations.map((one) => ({ ...one, expected: backend.data.current(one.key)?.revision })),
  );

export const collect = async (keys: AsyncIterable<string>): Promise<string[]> => {
  const all: string[] = [];
  for await (const key of keys) all.push(key);
  return all;
};
