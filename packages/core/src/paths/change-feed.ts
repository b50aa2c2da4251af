import { backoffMs } from "../mechanisms/retry.ts";
import type { SharedAccess } from "../mechanisms/shared-access.ts";
import { waitFor, within } from "../mechanisms/wait.ts";
import type { ChangeFeed, ChangeListener } from "../ports/change-feed.ts";
import { delay } from "../values/clock.ts";
import { reservedPrefix } from "../values/pattern.ts";
import { type Context, inBackground, tolerateCacheError } from "./context.ts";
import { suspectAll } from "./suspicion.ts";
import { dropHeard, isOut } from "./tiers.ts";

const pauses = { firstMs: 100, longestMs: 5_000 };

/** The slots are owed until they are gone: nobody here reads one that held what was changed (rule 7). */
const dropShared = async (context: Context, shared: SharedAccess, keys: readonly string[]): Promise<void> => {
  shared.owe(keys, false);
  try {
    await shared.drop(keys);
  } catch (error) {
    // Every node hears the change itself, but one that joins later does not: this node sees to it and says so.
    shared.owe(keys, true);
    if (!isOut(context)) tolerateCacheError(context, error, "drop", "shared-cache");
  }
};

/**
 * A node's end of the change feed: what others than Warp change is dropped here and in the shared tier. No frame tells
 * of it, since each node hears it by itself. States: joining, until the feed watches, which is tried until it does;
 * watching, where the feed itself sees to its connection; closed.
 */
export class FeedSide {
  readonly #context: Context;
  readonly #feed: ChangeFeed;
  readonly #joined: Promise<void>;
  #end: (() => Promise<void>) | undefined;
  #closed = false;
  #failing = false;

  constructor(context: Context, feed: ChangeFeed) {
    this.#context = context;
    this.#feed = feed;
    // In a later turn: a constructor does no I/O.
    this.#joined = Promise.resolve().then(() => this.#join());
  }

  /** Whether changes are heard at this moment, as far as the feed tells. */
  get isLive(): boolean {
    return this.#end !== undefined && this.#feed.live !== false;
  }

  /** Resolves once changes are heard, or after twice the store's deadline: without them entries are only older. */
  async ready(): Promise<void> {
    const { clock, settings } = this.#context;
    await within(clock, this.#joined, 2 * settings.storeDeadlineMs);
  }

  /** @param patience Resolves when time is up. */
  async close(patience: Promise<void>): Promise<void> {
    this.#closed = true;
    await Promise.race([this.#end?.(), patience]).catch((error: unknown) => this.#failed(error));
  }

  async #join(): Promise<void> {
    const { clock, random } = this.#context;
    for (let attempt = 0; !this.#closed; attempt++) {
      try {
        const end = await this.#watch();
        if (this.#closed) return await end();
        this.#end = end;
        this.#failing = false;
        this.#began();
        return;
      } catch (error) {
        this.#failed(error);
        await delay(clock, backoffMs(attempt, random, pauses), true);
      }
    }
  }

  async #watch(): Promise<() => Promise<void>> {
    const { clock, settings } = this.#context;
    let isAwaited = true;
    // One of its own for each attempt: the end of one that came late is not to end another.
    const listener: ChangeListener = {
      onChange: (keys) => this.#closed || this.#changed(keys),
      onGap: () => this.#closed || this.#missed(),
    };
    const watching = this.#feed.watch(listener).then(async (end) => {
      // It came after the deadline: there is, or will be, another one.
      if (!isAwaited) await end();
      return end;
    });
    try {
      const details = { operation: "watch", port: "change-feed" } as const;
      return await waitFor(clock, watching, { timeoutMs: settings.storeDeadlineMs, details });
    } finally {
      isAwaited = false;
    }
  }

  #failed(error: unknown): void {
    const { logger, errors, settings } = this.#context;
    // Once, until it works: an outage is one event, however many attempts it costs.
    if (!this.#failing) logger.warn({ err: error, node: settings.node }, "the change feed failed");
    this.#failing = true;
    errors.add(error, { operation: "watch" });
  }

  /** What this node read before may have been changed unheard; what it put into the shared tier under an epoch it trusted, too. */
  #began(): void {
    const { epochs } = this.#context;
    suspectAll(this.#context, "change-feed");
    if (epochs?.trusted !== undefined) epochs.renew();
  }

  #changed(keys: readonly string[]): void {
    const { meters, shared, leases } = this.#context;
    meters.bus.foreignChanges += keys.length;
    for (const key of keys) {
      dropHeard(this.#context, key);
      this.#context.lockBook.waiters.wake(key);
    }
    if (keys.some((key) => key.startsWith(reservedPrefix))) leases?.refresh();
    if (shared !== undefined) inBackground(this.#context, "drop", undefined, dropShared(this.#context, shared, keys));
  }

  #missed(): void {
    suspectAll(this.#context, "change-feed");
    this.#context.epochs?.renew();
  }
}
