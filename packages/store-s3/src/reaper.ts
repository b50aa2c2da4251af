import type { Cancel } from "@warp/core";
import { wideController } from "./deadline.ts";
import { isLost } from "./failures.ts";
import type { Forgotten } from "./forgotten.ts";
import type { S3StoreSettings } from "./options.ts";
import type { Past } from "./past.ts";
import { decodeBody, decodeHead, sizeKinds } from "./record-body.ts";
import type { Records } from "./records.ts";
import type { ListedObject, Requests } from "./requests.ts";
import type { Sweeper } from "./sweeper.ts";

interface Tombstone {
  readonly name: string;
  readonly etag: string;
  readonly at: number;
}

/**
 * Removes old tombstones, where the server honours conditions of deletes, and has the transactions swept: a page of
 * either at a time.
 */
export class Reaper {
  readonly #requests: Requests;
  readonly #records: Records;
  readonly #past: Past;
  readonly #forgotten: Forgotten;
  readonly #sweeper: Sweeper;
  readonly #settings: S3StoreSettings;
  readonly #closing: AbortController = wideController();
  #page: string | undefined;
  #cancel: Cancel | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(
    requests: Requests,
    records: Records,
    past: Past,
    forgotten: Forgotten,
    sweeper: Sweeper,
    settings: S3StoreSettings,
  ) {
    this.#requests = requests;
    this.#records = records;
    this.#past = past;
    this.#forgotten = forgotten;
    this.#sweeper = sweeper;
    this.#settings = settings;
  }

  /** From now on steps come by themselves. Calling it again, or after `close`, does nothing. */
  start(): void {
    const { conditionalDelete, reapEveryMs, timers } = this.#settings;
    if ((!conditionalDelete && !this.#sweeper.isNeeded) || reapEveryMs === Number.POSITIVE_INFINITY) return;
    if (this.#cancel !== undefined || this.#closing.signal.aborted) return;
    const run = (): void => {
      this.#running = this.#tick();
    };
    this.#cancel = timers.schedule(reapEveryMs, run, true);
  }

  /** Ends the step under way; resolves once it has ended. No other follows. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#cancel?.();
    await this.#running;
  }

  /** Looks at the next page of names, going round. @returns How many tombstones and transactions went. */
  async step(signal: AbortSignal): Promise<number> {
    return (await this.#removeTombstones(signal)) + (await this.#sweeper.step(signal));
  }

  async #removeTombstones(signal: AbortSignal): Promise<number> {
    const { conditionalDelete, names, tombstoneRetentionMs } = this.#settings;
    if (!conditionalDelete) return 0;
    const { objects, next } = await this.#requests.list(names.recordsFrom(""), signal, { from: this.#page });
    this.#page = next;
    const old = objects.filter(({ size, ageMs }) => sizeKinds[size & 3] === "nothing" && ageMs >= tombstoneRetentionMs);
    const found = await Promise.all(old.map((object) => this.#tombstone(object, signal)));
    const due = found.filter((one) => one !== undefined);
    if (due.length === 0) return 0;
    await this.#forgotten.raise(Math.max(...due.map(({ at }) => at)), signal);
    const removed = await Promise.all(due.map((one) => this.#remove(one, signal)));
    return removed.filter((went) => went).length;
  }

  /** The object if it is a tombstone whose time is over and that dates the end of no former version. */
  async #tombstone({ name }: ListedObject, signal: AbortSignal): Promise<Tombstone | undefined> {
    const object = await this.#requests.get(name, signal);
    if (object === undefined || object === "unchanged") return undefined;
    const named = this.#settings.names.keyOf(name);
    const key = named === "cut" ? decodeHead(object.bytes)?.key : named?.key;
    if (key === undefined) return undefined;
    const { version, intent } = decodeBody(object.bytes, key);
    if (intent !== undefined || version?.header.isTombstone === false) return undefined;
    if (version === undefined) return { name, etag: object.etag, at: 0 };
    const { committedAt, timestamp } = version.header;
    // A record that comes back must be dated after it: by the clock alone.
    const latest = Math.max(committedAt, timestamp.micros / 1_000);
    if (latest + this.#settings.tombstoneRetentionMs > this.#records.shownTime()) return undefined;
    const isPastOver = await this.#past.isOver(key, version.header, signal);
    return isPastOver ? { name, etag: object.etag, at: committedAt } : undefined;
  }

  async #remove({ name, etag }: Tombstone, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#requests.remove(name, etag, signal);
      return true;
    } catch (error) {
      if (isLost(error)) return false;
      throw error;
    }
  }

  async #tick(): Promise<void> {
    try {
      await this.step(this.#closing.signal);
    } catch (error) {
      if (!this.#closing.signal.aborted) this.#settings.onBackgroundError(error);
    }
    this.#cancel = undefined;
    this.start();
  }
}
