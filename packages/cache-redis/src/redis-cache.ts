import {
  type CallOptions,
  type Cancel,
  isAborted,
  type SharedCache,
  type SharedPut,
  type SharedSlot,
  WarpError,
} from "@warp/core";
import { type Batch, batchesOf } from "./batches.ts";
import { compressed, decompressed, type Payload } from "./compression.ts";
import { keySlot } from "./key-slot.ts";
import { type RedisCacheOptions, type RedisCacheSettings, settingsOf } from "./options.ts";
import { type PackedPut, packed, placesOf, wholeMs } from "./packing.ts";
import { Readiness } from "./readiness.ts";
import type { RedisArgument, RedisBytesClient, RedisClient } from "./redis-client.ts";
import { RollbackWatch } from "./rollback-watch.ts";
import { foreign, headLength, kinds, script, tokenLength } from "./script.ts";
import { Turns } from "./turns.ts";

/** What is answered for bytes that nobody put: no entry of core's, which reports `CORRUPT` and puts the store's value there. */
const undecodable = new Uint8Array(0);

interface Item {
  readonly key: string;
  /** Of the value that goes along, in bytes. */
  readonly size: number;
}

interface PreparedPut extends Item, PackedPut {}

/** A slot as it stands in Redis. Most readers never ask for its token. */
class RedisSlot implements SharedSlot {
  readonly bytes: Uint8Array | undefined;
  readonly expiresInMs: number;
  readonly #reply: Buffer;
  readonly #from: number;

  /** @param from Where in `reply` it begins. */
  constructor(reply: Buffer, from: number, bytes: Uint8Array | undefined, expiresInMs: number) {
    this.#reply = reply;
    this.#from = from;
    this.bytes = bytes;
    this.expiresInMs = expiresInMs;
  }

  get token(): string {
    return this.#reply.toString("latin1", this.#from + 1, this.#from + 1 + tokenLength);
  }

  get isDeflated(): boolean {
    return this.#reply[this.#from] === kinds.deflated;
  }

  /** The same slot, with other bytes. */
  with(bytes: Uint8Array): RedisSlot {
    return new RedisSlot(this.#reply, this.#from, bytes, this.expiresInMs);
  }
}

/** What stands in `reply` from `from` to `end`. @param now The server's time. */
const slotOf = (reply: Buffer, from: number, end: number, now: number): RedisSlot => {
  if (reply[from] === kinds.reserved) return new RedisSlot(reply, from, undefined, 0);
  if (reply[from] === foreign) return new RedisSlot(reply, from, undecodable, 0);
  const leftMs = reply.readDoubleBE(from + 1 + tokenLength) - now;
  // Damaged bytes may say NaN.
  const isLive = leftMs > 0;
  return new RedisSlot(reply, from, reply.subarray(from + headLength, end), isLive ? leftMs : 0);
};

/** The slots of a reply to a read, in order. @param values One by one, or packed. */
const slotsOf = (values: Buffer | readonly Buffer[], now: number): readonly RedisSlot[] => {
  if (!Buffer.isBuffer(values)) return values.map((value) => slotOf(value, 0, value.length, now));
  const places = placesOf(values);
  const slots: RedisSlot[] = [];
  for (let at = 0; at < places.length; at += 2)
    slots.push(slotOf(values, places[at] as number, places[at + 1] as number, now));
  return slots;
};

/** What nobody waits for any more would only land late. */
const requireWanted = (options: CallOptions): void => {
  if (isAborted(options)) throw new Error("the call was given up before it was sent");
};

const isUnknownScript = (error: unknown): boolean =>
  typeof error === "object" && error !== null && String((error as Error).message).startsWith("NOSCRIPT");

/**
 * A `SharedCache` in Redis, by one Lua script. A slot is a string: a byte that says what it is, its token, when it ends,
 * and the bytes.
 * Keys are `<prefix>:s1:<key>` and, for the epoch, `<prefix>:e1`; 1 is the format's version, and whoever raises it must
 * drop what the one before may still read.
 */
export class RedisCache implements SharedCache {
  readonly portVersion = 1;
  readonly #client: RedisBytesClient;
  readonly #settings: RedisCacheSettings;
  readonly #readiness: Readiness;
  readonly #rollbacks: RollbackWatch;
  /** Puts that are being compressed are not overtaken by what comes after them. */
  readonly #turns: Turns = new Turns();

  /**
   * @param client ioredis' `Redis` (also by Sentinel) or `Cluster`, made by the caller, who also closes it.
   * @throws {WarpError} `INVALID_ARGUMENT` naming the option; `UNSUPPORTED` for another client.
   */
  constructor(client: RedisClient, options: RedisCacheOptions = {}) {
    if (typeof (client as Partial<RedisBytesClient> | undefined)?.evalshaBuffer !== "function")
      throw new WarpError("UNSUPPORTED", "RedisCache needs a client of ioredis 5 or 6: evalshaBuffer is missing");
    this.#client = client as RedisBytesClient;
    this.#settings = settingsOf(options);
    this.#readiness = new Readiness(client);
    this.#rollbacks = new RollbackWatch(client);
  }

  async read(keys: readonly string[], reserveMs: number, options: CallOptions = {}): Promise<readonly SharedSlot[]> {
    const slots = new Array<SharedSlot>(keys.length);
    const inflating: Promise<void>[] = [];
    const reserve = wholeMs(reserveMs);
    const inflate = async (place: number, slot: RedisSlot): Promise<void> => {
      slots[place] = slot.with((await decompressed(slot.bytes as Uint8Array)) ?? undecodable);
    };
    await this.#send(this.#items(keys), options, async ({ items, places, slot }) => {
      const reply = await this.#run(slot, items, ["read", this.#settings.random.id(), reserve]);
      const [, now, values] = reply as [Buffer, number, Buffer | readonly Buffer[]];
      slotsOf(values, now).forEach((read, index) => {
        const place = places[index] as number;
        slots[place] = read;
        if (read.isDeflated) inflating.push(inflate(place, read));
      });
    });
    if (inflating.length > 0) await Promise.all(inflating);
    return slots;
  }

  async put(puts: readonly SharedPut[], options: CallOptions = {}): Promise<readonly boolean[]> {
    const landed = new Array<boolean>(puts.length);
    await this.#turns.take(this.#prepared(puts), (prepared) =>
      this.#sendInTurn(prepared, options, async ({ items, places, slot }) => {
        const [, marks] = await this.#run(slot, items, ["put", this.#settings.random.id(), packed(items)]);
        for (const [index, place] of places.entries()) landed[place] = (marks as Buffer)[index] === 0x31;
      }),
    );
    return landed;
  }

  async drop(keys: readonly string[], options: CallOptions = {}): Promise<void> {
    await this.#turns.take(this.#items(keys), (all) =>
      this.#sendInTurn(all, options, async ({ items, slot }) => {
        await this.#run(slot, items, ["drop"]);
      }),
    );
  }

  async epoch(
    replace?: { readonly expected: string | undefined; readonly next: string },
    options: CallOptions = {},
  ): Promise<string | undefined> {
    const items = [{ key: `${this.#settings.prefix}:e1`, size: 0 }];
    const condition =
      replace === undefined
        ? ["any"]
        : [replace.expected === undefined ? "none" : "some", replace.expected ?? "", replace.next];
    let standing: unknown;
    await this.#send(items, options, async (batch) => {
      [, standing] = await this.#run(batch.slot, batch.items, ["epoch", ...condition]);
    });
    return standing === null ? undefined : String(standing);
  }

  /** What counts as a possible rollback: see `RollbackWatch`. */
  onRollback(listener: () => void): Cancel {
    return this.#rollbacks.listen(listener);
  }

  #slotKey(key: string): string {
    return `${this.#settings.prefix}:s1:${key}`;
  }

  #items(keys: readonly string[]): readonly Item[] {
    return keys.map((key) => ({ key: this.#slotKey(key), size: 0 }));
  }

  /** As `#send`, after whatever had to go before. */
  async #sendInTurn<T extends Item>(
    items: readonly T[],
    options: CallOptions,
    sendBatch: (batch: Batch<T>) => Promise<void>,
  ): Promise<void> {
    requireWanted(options);
    await this.#send(items, options, sendBatch);
  }

  /** Sends one command for each batch of `items`, all at once. */
  async #send<T extends Item>(
    items: readonly T[],
    options: CallOptions,
    sendBatch: (batch: Batch<T>) => Promise<void>,
  ): Promise<void> {
    if (!this.#readiness.isReady) {
      await this.#readiness.ready(options);
      requireWanted(options);
    }
    // ioredis puts its own prefix in front, which may hold a hash tag.
    const { keyPrefix = "" } = this.#client.options;
    const slotOf = this.#client.isCluster ? ({ key }: Item): number => keySlot(keyPrefix + key) : undefined;
    await Promise.all(batchesOf(items, { slotOf, bytesOf: ({ size }) => size }).map(sendBatch));
  }

  async #run(slot: number, items: readonly Item[], args: readonly RedisArgument[]): Promise<readonly unknown[]> {
    const all = [...items.map(({ key }) => key), ...args];
    // The server has forgotten the script, or is another one.
    const load = (error: unknown): Promise<unknown> => {
      if (isUnknownScript(error)) return this.#client.evalBuffer(script.source, items.length, ...all);
      throw error;
    };
    const reply = await this.#client.evalshaBuffer(script.sha, items.length, ...all).catch(load);
    const [history] = reply as [Buffer];
    this.#rollbacks.heard(slot, history.toString("latin1"));
    return reply as readonly unknown[];
  }

  /** Copies of what is to be put, where it may be sent later; compressed where that is asked for. */
  #prepared(puts: readonly SharedPut[]): readonly PreparedPut[] | Promise<readonly PreparedPut[]> {
    const { compress } = this.#settings;
    const prepare = (put: SharedPut, { bytes, isDeflated }: Payload): PreparedPut => ({
      key: this.#slotKey(put.key),
      size: bytes.length,
      put,
      bytes,
      isDeflated,
    });
    if (compress === undefined) {
      const isSentAtOnce = this.#readiness.isReady;
      return puts.map((put) =>
        prepare(put, { bytes: isSentAtOnce ? put.bytes : Buffer.from(put.bytes), isDeflated: false }),
      );
    }
    const payloads = puts.map(({ bytes }): Payload => ({ bytes: Buffer.from(bytes), isDeflated: false }));
    const all = (done: readonly Payload[]): PreparedPut[] =>
      done.map((payload, index) => prepare(puts[index] as SharedPut, payload));
    if (!payloads.some(({ bytes }) => bytes.length > compress.aboveBytes)) return all(payloads);
    const work = payloads.map((payload) =>
      payload.bytes.length > compress.aboveBytes ? compressed(payload.bytes, compress) : payload,
    );
    return Promise.all(work).then(all);
  }
}
