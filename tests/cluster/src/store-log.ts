import { MemoryStoreData, type StoredRecord, type StoreWrite } from "@warp/core";
import { decodeStored } from "../../../packages/core/src/wire/stored-value.ts";

const decoder = new TextDecoder();

/** The value that a store's bytes stand for; `undefined` for a tombstone or no record. */
export const decodedValue = (bytes: Uint8Array | undefined): unknown =>
  bytes === undefined ? undefined : JSON.parse(decoder.decode(decodeStored(bytes)));

/** The order in which a key had its values: what answers are judged by. */
export interface Truth {
  /** The place of the last write of `key`: 0 before the first. */
  last(key: string): number;
  /** The last place at which `key` held `value`; -1 if it never did. */
  placeOf(key: string, value: unknown): number;
  valueNow(key: string): unknown;
  history(key: string): readonly unknown[];
}

/** Where values come from that no store keeps. */
export class Origin implements Truth {
  readonly #values = new Map<string, unknown[]>();

  write(key: string, value: unknown): void {
    this.#of(key).push(value);
  }

  last(key: string): number {
    return this.#of(key).length - 1;
  }

  placeOf(key: string, value: unknown): number {
    return this.#of(key).lastIndexOf(value);
  }

  valueNow(key: string): unknown {
    return this.#of(key).at(-1);
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

/** What a store holds, and every value that each key ever held, in the order of the store. */
export class StoreLog extends MemoryStoreData implements Truth {
  readonly #past = new Origin();

  override write(key: string, write: StoreWrite, nowMs: number): StoredRecord {
    this.#past.write(key, decodedValue(write.value));
    return super.write(key, write, nowMs);
  }

  last(key: string): number {
    return this.#past.last(key);
  }

  placeOf(key: string, value: unknown): number {
    return this.#past.placeOf(key, value);
  }

  valueNow(key: string): unknown {
    return decodedValue(this.current(key)?.value);
  }

  history(key: string): readonly unknown[] {
    return this.#past.history(key);
  }
}
