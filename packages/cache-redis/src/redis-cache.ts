import {
  type CallOptions,
  type Cancel,
  type SharedCache,
  type SharedPut,
  type SharedSlot,
  WarpError,
} from "@warp/core";
import { type Batch, batchesOf } from "./batches.ts";
import { compressed, decompressed, type Payload } from "./compression.ts";
import { keySlot } from "./key-slot.ts";
import { type RedisCacheOptions, type RedisCacheSettings, settingsOf } from "./options.ts";
import { Readiness } from "./readiness.ts";
import type { RedisArgument, RedisBytesClient, RedisClient } from "./redis-client.ts";
import { RollbackWatch } from "./rollback-watch.ts";
import { foreign, kinds, script, tokenLength } from "./script.ts";
import { Turns } from "./turns.ts";

const headLength = 1 + tokenLength;
const tokenShape = /^[\w-]{34}$/;
/** A time to live that Redis takes, and 285 000 years. */
const longestMs = Number.MAX_SAFE_INTEGER;
/** What is answered for bytes that nobody put: no entry of core's, which reports `CORRUPT` and puts the store's value there. */
const undecodable = new Uint8Array(0);

interface Item {
  readonly key: string;
  readonly bytes: number;
}

interface PreparedPut extends Item {
  readonly put: SharedPut;
  readonly payload: Payload;
}

const wholeMs = (ms: number): string => String(Math.min(Math.max(1, Math.ceil(ms)), longestMs));

/** Token, life and bytes of one put, as the script takes them. */
const putArguments = ({ put: { token, ttlMs }, payload: { bytes, isDeflated } }: PreparedPut): RedisArgument[] => {
  // No slot has a token of another shape: "-" stands nowhere.
  const condition = token === undefined ? "*" : tokenShape.test(token) ? token : "-";
  const life = ttlMs === Number.POSITIVE_INFINITY ? "" : wholeMs(ttlMs);
  return [condition, `${isDeflated ? "z" : "p"}${life}`, bytes];
};

/** @param left Milliseconds; -1 for no expiry; `foreign`. */
const slotOf = (value: Buffer, left: number): SharedSlot => {
  const token = value.toString("latin1", 1, headLength);
  if (left === foreign) return { token, bytes: undecodable, expiresInMs: 0 };
  if (value[0] === kinds.reserved) return { token, bytes: undefined, expiresInMs: 0 };
  return { token, bytes: value.subarray(headLength), expiresInMs: left < 0 ? Number.POSITIVE_INFINITY : left };
};

const inflate = async (slot: SharedSlot): Promise<SharedSlot> => ({
  ...slot,
  bytes: (await decompressed(slot.bytes as Uint8Array)) ?? undecodable,
});

const isUnknownScript = (error: unknown): boolean =>
  typeof error === "object" && error !== null && String((error as Error).message).startsWith("NOSCRIPT");

/**
 * A `SharedCache` in Redis, by one Lua script. A slot is a string: a byte that says what it is, its token, and the bytes.
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
    if (typeof (client as Partial<RedisBytesClient>).evalshaBuffer !== "function")
      throw new WarpError("UNSUPPORTED", "RedisCache needs a client of ioredis 5 or 6: evalshaBuffer is missing");
    this.#client = client as RedisBytesClient;
    this.#settings = settingsOf(options);
    this.#readiness = new Readiness(client);
    this.#rollbacks = new RollbackWatch(client);
  }

  async read(keys: readonly string[], reserveMs: number, options: CallOptions = {}): Promise<readonly SharedSlot[]> {
    const slots = new Array<SharedSlot>(keys.length);
    const deflated: number[] = [];
    const reserve = wholeMs(reserveMs);
    await this.#send(this.#items(keys), options, async ({ items, places, slot }) => {
      const reply = await this.#run(slot, items, ["read", this.#settings.random.id(), reserve]);
      for (const [index, place] of places.entries()) {
        const value = reply[2 * index + 1] as Buffer;
        if (value[0] === kinds.deflated) deflated.push(place);
        slots[place] = slotOf(value, Number(reply[2 * index + 2]));
      }
    });
    for (const [place, slot] of await Promise.all(
      deflated.map(async (place) => [place, await inflate(slots[place] as SharedSlot)] as const),
    ))
      slots[place] = slot;
    return slots;
  }

  async put(puts: readonly SharedPut[], options: CallOptions = {}): Promise<readonly boolean[]> {
    const landed = new Array<boolean>(puts.length);
    await this.#turns.take(this.#prepared(puts), (prepared) =>
      this.#send(prepared, options, async ({ items, places, slot }) => {
        const [, marks] = await this.#run(slot, items, [
          "put",
          this.#settings.random.id(),
          ...items.flatMap(putArguments),
        ]);
        for (const [index, place] of places.entries()) landed[place] = (marks as Buffer)[index] === 0x31;
      }),
    );
    return landed;
  }

  async drop(keys: readonly string[], options: CallOptions = {}): Promise<void> {
    await this.#turns.take(this.#items(keys), (all) =>
      this.#send(all, options, async ({ items, slot }) => {
        await this.#run(slot, items, ["drop"]);
      }),
    );
  }

  async epoch(
    replace?: { readonly expected: string | undefined; readonly next: string },
    options: CallOptions = {},
  ): Promise<string | undefined> {
    const items = [{ key: `${this.#settings.prefix}:e1`, bytes: 0 }];
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
    return keys.map((key) => ({ key: this.#slotKey(key), bytes: 0 }));
  }

  /** Sends one command for each batch of `items`, all at once. */
  async #send<T extends Item>(
    items: readonly T[],
    options: CallOptions,
    sendBatch: (batch: Batch<T>) => Promise<void>,
  ): Promise<void> {
    if (!this.#readiness.isReady) await this.#readiness.ready(options);
    // What nobody waits for any more would only land late.
    if (options.signal?.aborted === true) throw new Error("the call was given up before it was sent");
    // ioredis puts its own prefix in front, which may hold a hash tag.
    const { keyPrefix = "" } = this.#client.options;
    const slotOf = this.#client.isCluster ? ({ key }: Item): number => keySlot(keyPrefix + key) : undefined;
    await Promise.all(batchesOf(items, { slotOf, bytesOf: ({ bytes }) => bytes }).map(sendBatch));
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

  /** Copies of what is to be put, since it may be sent later; compressed where that is asked for. */
  #prepared(puts: readonly SharedPut[]): readonly PreparedPut[] | Promise<readonly PreparedPut[]> {
    const { compress } = this.#settings;
    const payloads = puts.map(({ bytes }) => Buffer.from(bytes));
    const prepare = (payload: Payload, index: number): PreparedPut => {
      const put = puts[index] as SharedPut;
      return { key: this.#slotKey(put.key), put, payload, bytes: payload.bytes.length };
    };
    const asIs = (bytes: Buffer): Payload => ({ bytes, isDeflated: false });
    if (compress === undefined || !payloads.some(({ length }) => length > compress.aboveBytes))
      return payloads.map(asIs).map(prepare);
    const work = payloads.map((bytes) =>
      bytes.length > compress.aboveBytes ? compressed(bytes, compress) : asIs(bytes),
    );
    return Promise.all(work).then((done) => done.map(prepare));
  }
}
