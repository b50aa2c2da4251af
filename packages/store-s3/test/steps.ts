import {
  conflictsOf,
  type HistoryRetention,
  type Mutation,
  type OperationId,
  type Store,
  type StoredRecord,
  systemRandom,
} from "@warp/core";

export const newOperation = (): OperationId => systemRandom.id();

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

export const text = (record: StoredRecord | "unchanged" | undefined): string | undefined =>
  typeof record === "object" ? new TextDecoder().decode(record.value) : record;

interface Options {
  readonly expected?: string | undefined;
  readonly ttlMs?: number;
  readonly history?: HistoryRetention;
}

export const putOf = (key: string, value: string, { expected, ttlMs, history }: Options = {}): Mutation => ({
  kind: "put",
  key,
  value: bytes(value),
  expected,
  ttlMs,
  history,
  timestamp: { micros: 0, node: "n1" },
});

export const deleteOf = (key: string, { expected, history }: Options = {}): Mutation => ({
  kind: "delete",
  key,
  expected,
  history,
  timestamp: { micros: 0, node: "n1" },
});

export const read = async (store: Store, key: string): Promise<StoredRecord | undefined> => {
  const record = await store.get(key);
  if (record === "unchanged") throw new Error("unchanged without unless");
  return record;
};

/** Writes over whatever stands. */
export const put = async (store: Store, key: string, value: string, options: Options = {}): Promise<StoredRecord> => {
  const expected = (await read(store, key))?.revision;
  const [record] = await store.commit(newOperation(), [putOf(key, value, { ...options, expected })]);
  return record as StoredRecord;
};

export const remove = async (store: Store, key: string, options: Options = {}): Promise<StoredRecord> => {
  const expected = (await read(store, key))?.revision;
  const [record] = await store.commit(newOperation(), [deleteOf(key, { ...options, expected })]);
  return record as StoredRecord;
};

export const listed = async (store: Store, prefix = ""): Promise<string[]> => {
  const keys: string[] = [];
  for await (const key of store.keys(prefix)) keys.push(key);
  return keys.sort();
};

/** What `promise` rejects with. */
export const rejectionOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => {
      throw new Error(`resolved with ${JSON.stringify(value)}`);
    },
    (error: unknown) => error,
  );

/** The records that a `CONFLICT` brought. */
export const conflictOf = async (promise: Promise<unknown>): Promise<ReadonlyMap<string, StoredRecord | undefined>> => {
  const error = await rejectionOf(promise);
  const conflicts = conflictsOf(error);
  if (conflicts === undefined) throw error;
  return conflicts;
};
