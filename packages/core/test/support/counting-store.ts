import type {
  CallOptions,
  CommitAnswer,
  Mutation,
  OperationId,
  Revision,
  Store,
  StoredRecord,
} from "../../src/index.ts";

type Found = StoredRecord | "unchanged" | undefined;

const bytesOf = (found: Found): number =>
  found === undefined || found === "unchanged" ? 0 : (found.value?.length ?? 0);

/** A store, with every call to it counted and the bytes of the values that came back. */
export class CountingStore implements Store {
  readonly portVersion = 1;
  readonly atomicBatch: boolean;
  readonly conditionalDelete: boolean;
  readonly landsWithinMs: number;
  gets = 0;
  getManys = 0;
  commits = 0;
  bytesRead = 0;
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
    this.atomicBatch = store.atomicBatch;
    this.conditionalDelete = store.conditionalDelete;
    this.landsWithinMs = store.landsWithinMs;
  }

  /** Round trips that read. */
  get reads(): number {
    return this.gets + this.getManys;
  }

  async get(key: string, unless?: Revision, options?: CallOptions): Promise<Found> {
    this.gets++;
    const found = await this.#store.get(key, unless, options);
    this.bytesRead += bytesOf(found);
    return found;
  }

  async getMany(
    keys: readonly string[],
    unless?: readonly (Revision | undefined)[],
    options?: CallOptions,
  ): Promise<readonly Found[]> {
    this.getManys++;
    const found = await this.#store.getMany(keys, unless, options);
    for (const one of found) this.bytesRead += bytesOf(one);
    return found;
  }

  commit(
    operation: OperationId,
    mutations: readonly Mutation[],
    options?: CallOptions,
    answer?: CommitAnswer,
  ): Promise<readonly (StoredRecord | undefined)[]> {
    this.commits++;
    return this.#store.commit(operation, mutations, options, answer);
  }

  keys(prefix: string, options?: CallOptions): AsyncIterable<string> {
    return this.#store.keys(prefix, options);
  }

  now(options?: CallOptions): Promise<number> {
    return this.#store.now(options);
  }
}
