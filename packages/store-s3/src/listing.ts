import { type CallOptions, WarpError } from "@warp/core";
import { within } from "./deadline.ts";
import type { S3StoreSettings } from "./options.ts";
import { type BodyHead, decodeHead, headBytes, sizeKinds } from "./record-body.ts";
import type { Records } from "./records.ts";
import type { ListedObject, Requests } from "./requests.ts";

/** Lists keys. A page of 1 000 names is one request; a value that expires and a name that was cut are read besides. */
export class Listing {
  readonly #requests: Requests;
  readonly #records: Records;
  readonly #settings: S3StoreSettings;

  constructor(requests: Requests, records: Records, settings: S3StoreSettings) {
    this.#requests = requests;
    this.#records = records;
    this.#settings = settings;
  }

  /** As `Store.keys`. The deadline is each page's. */
  async *keys(prefix: string, options?: CallOptions): AsyncGenerator<string, void, undefined> {
    const { names, timers } = this.#settings;
    const start = names.recordsFrom(prefix);
    for (let from: string | undefined; ; ) {
      const page = await within(timers, options, async (signal) => {
        const { objects, next } = await this.#requests.list(start, signal, { from });
        return { next, keys: await Promise.all(objects.map((object) => this.#liveKey(object, signal))) };
      });
      for (const key of page.keys) if (key?.startsWith(prefix) === true) yield key;
      if (page.next === undefined) return;
      from = page.next;
    }
  }

  /** The key of a record that holds a live value. */
  async #liveKey({ name, size }: ListedObject, signal: AbortSignal): Promise<string | undefined> {
    const named = this.#settings.names.keyOf(name);
    const kind = sizeKinds[size & 3];
    if (named === undefined || kind === "nothing") return undefined;
    if (kind === "live" && named !== "cut") return named.key;
    const head = await this.#head(name, signal);
    const key = named === "cut" ? head?.key : named.key;
    if (key === undefined || head === undefined) return undefined;
    if (head.transaction !== undefined) {
      const { version } = await this.#records.read(key, signal);
      return version !== undefined && this.#isLive(version.header) ? key : undefined;
    }
    return head.header !== undefined && this.#isLive(head.header) ? key : undefined;
  }

  #isLive({ isTombstone, expiresAt }: { readonly isTombstone: boolean; readonly expiresAt: number | undefined }) {
    return !isTombstone && !(expiresAt !== undefined && expiresAt <= this.#records.shownTime());
  }

  async #head(name: string, signal: AbortSignal): Promise<BodyHead | undefined> {
    for (const mostBytes of [headBytes, Number.MAX_SAFE_INTEGER]) {
      const found = await this.#requests.get(name, signal, { mostBytes });
      if (found === undefined || found === "unchanged") return undefined;
      const head = decodeHead(found.bytes);
      if (head !== undefined) return head;
    }
    throw new WarpError("CORRUPT", `the store holds a record that is cut short: ${name}`, { port: "store" });
  }
}
