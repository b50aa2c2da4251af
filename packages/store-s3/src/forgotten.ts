import { WarpError } from "@warp/core";
import { isLost } from "./failures.ts";
import type { S3StoreSettings } from "./options.ts";
import type { Condition, Requests } from "./requests.ts";

/**
 * The latest date among the tombstones that were removed for good, in an object of its own. Before it nobody can tell a
 * key that was never written from one that was.
 */
export class Forgotten {
  readonly #requests: Requests;
  readonly #settings: S3StoreSettings;

  constructor(requests: Requests, settings: S3StoreSettings) {
    this.#requests = requests;
    this.#settings = settings;
  }

  /** Milliseconds since the epoch; 0 if nothing was ever removed. */
  async before(signal: AbortSignal): Promise<number> {
    return this.#settings.conditionalDelete ? (await this.#read(signal)).before : 0;
  }

  /** To be called before what has that date is removed. */
  async raise(at: number, signal: AbortSignal): Promise<void> {
    for (;;) {
      const { before, condition } = await this.#read(signal);
      if (before >= at) return;
      const bytes = new TextEncoder().encode(JSON.stringify({ version: 1, before: at }));
      try {
        await this.#requests.put(this.#settings.names.forgotten, bytes, condition, signal);
        return;
      } catch (error) {
        if (!isLost(error)) throw error;
      }
    }
  }

  async #read(signal: AbortSignal): Promise<{ readonly before: number; readonly condition: Condition }> {
    const found = await this.#requests.get(this.#settings.names.forgotten, signal);
    if (found === undefined || found === "unchanged") return { before: 0, condition: "absent" };
    const { before } = JSON.parse(new TextDecoder().decode(found.bytes));
    if (typeof before === "number") return { before, condition: { etag: found.etag } };
    throw new WarpError("CORRUPT", `${this.#settings.names.forgotten} holds no date`, { port: "store" });
  }
}
