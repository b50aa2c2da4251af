import {
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
  record === undefined || record === "unchanged" ? record : new TextDecoder().decode(record.value);

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

export const readRecord = async (store: Store, key: string): Promise<StoredRecord> => {
  const record = await read(store, key);
  if (record === undefined) throw new Error(`no record of ${key}`);
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
