import { MemoryStoreData, type StoredRecord, type StoreWrite } from "@warp/core";
import { decodeStored } from "../../../packages/core/src/wire/stored-value.ts";

const decoder = new TextDecoder();

/** The value that a store's bytes stand for; `undefined` for a tombstone or no record. */
export const decodedValue = (bytes: Uint8Array | undefined): unknown =>
  bytes === undefined ? undefined : JSON.parse(decoder.decode(decodeStored(bytes)));

/** What a store holds, and every value that each key ever held, in the order of the store: what checks compare with. */
export class StoreLog extends MemoryStoreData {
  readonly #values = new Map<string, unknown[]>();

  override write(key: string, write: StoreWrite, nowMs: number): StoredRecord {
    this.#of(key).push(decodedValue(write.value));
    return super.write(key, write, nowMs);
  }

  /** The place of the last write of `key`: 0 before the first. */
  last(key: string): number {
    return this.#of(key).length - 1;
  }

  /** The last place at which `key` held `value`; -1 if it never did. */
  placeOf(key: string, value: unknown): number {
    return this.#of(key).lastIndexOf(value);
  }

  /** What the store holds now. */
  valueNow(key: string): unknown {
    return decodedValue(this.current(key)?.value);
  }

  history(key: string): readonly unknown[] {
    return this.#of(key);
  }

  #of(key: string): unknown[] {
    let values = this.#values.get(key);
    if (values === undefined) {
      values = [undefined];
      this.#values.set(key, values);
    }
    return values;
  }
}
