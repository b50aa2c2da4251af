import {
  type Cancel,
  type ChangeFeed,
  type ChangeListener,
  type Clock,
  type Duration,
  durationMs,
  systemClock,
} from "@warp/core";
import { everything, triggersPresent } from "./change-triggers.ts";
import { fromColumn } from "./keys.ts";
import { ListeningConnection, type PgListeningClient } from "./listening-connection.ts";
import { namesOf } from "./names.ts";

/** How a `PgChangeFeed` is set up. */
export interface PgChangeFeedOptions {
  /** The store's. Default `"warp"`. */
  readonly table?: string;
  /** The store's. Default `"public"`. */
  readonly schema?: string;
  /** The time between two looks whether the connection still hears. Default `"5s"`. */
  readonly keepAlive?: Duration;
  /** How long it may take to connect, and to answer: then the connection counts as lost. Default `"2s"`. */
  readonly answerWithin?: Duration;
  /** Told why a connection was lost or could not be made; the next attempt comes by itself. Default: nobody is told. */
  readonly onError?: (error: unknown) => void;
  /** What waits are made with. Default: the machine's timers, which do not keep the process alive. */
  readonly timers?: Pick<Clock, "schedule">;
}

interface Settings {
  readonly channel: string;
  readonly check: { readonly text: string; readonly values: unknown[] };
  readonly keepAliveMs: number;
  readonly answerWithinMs: number;
  readonly onError: (error: unknown) => void;
  readonly timers: Pick<Clock, "schedule">;
}

const firstPauseMs = 100;
const longestPauseMs = 10_000;

/** "Full jitter", at least a tenth of a bound that doubles: nodes that lost one server do not come back at once. */
const pauseMs = (attempt: number): number =>
  Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(attempt, 20)) * (0.1 + 0.9 * Math.random());

/** The keys of a payload; `undefined` for everything, and for what only a later release understands. */
const keysIn = (payload: string): readonly string[] | undefined => {
  if (payload === everything) return undefined;
  try {
    const keys: unknown = JSON.parse(payload);
    return Array.isArray(keys) ? keys.map((key) => fromColumn(String(key))) : undefined;
  } catch {
    return undefined;
  }
};

/** One listener and the connection that listens for it. States: beginning, live, lost (connecting again), ended. */
class Watch {
  readonly #connect: () => PgListeningClient;
  readonly #settings: Settings;
  readonly #listener: ChangeListener;
  #connection: ListeningConnection | undefined;
  #cancelPause: Cancel = () => {};
  #ended = false;
  #heard: string[] = [];
  live = false;

  constructor(connect: () => PgListeningClient, settings: Settings, listener: ChangeListener) {
    this.#connect = connect;
    this.#settings = settings;
    this.#listener = listener;
  }

  async begin(): Promise<void> {
    const connection = new ListeningConnection({
      ...this.#settings,
      client: this.#connect(),
      onPayload: (payload) => this.#told(payload),
      onLost: (reason) => this.#lost(reason),
    });
    await connection.open();
    this.#connection = connection;
    if (this.#ended) await connection.close();
    else this.live = true;
  }

  async end(): Promise<void> {
    this.#ended = true;
    this.live = false;
    this.#cancelPause();
    await this.#connection?.close();
  }

  #told(payload: string): void {
    if (this.#ended) return;
    const keys = keysIn(payload);
    if (keys === undefined) this.#listener.onGap();
    else this.#collect(keys);
  }

  /** Every row has a payload of its own: those that arrive together are told together. */
  #collect(keys: readonly string[]): void {
    if (this.#heard.length === 0) queueMicrotask(() => this.#tell());
    this.#heard.push(...keys);
  }

  #tell(): void {
    const keys = this.#heard;
    this.#heard = [];
    if (!this.#ended) this.#listener.onChange(keys);
  }

  #lost(reason: unknown): void {
    this.live = false;
    this.#settings.onError(reason);
    this.#listener.onGap();
    this.#connectAgain(0);
  }

  #connectAgain(attempt: number): void {
    const run = async (): Promise<void> => {
      try {
        await this.begin();
        // What was changed since the connection was lost.
        if (!this.#ended) this.#listener.onGap();
      } catch (error) {
        this.#settings.onError(error);
        if (!this.#ended) this.#connectAgain(attempt + 1);
      }
    };
    this.#cancelPause = this.#settings.timers.schedule(pauseMs(attempt), () => void run(), true);
  }
}

/**
 * Tells what others than Warp write to a `PgStore`'s table, by the triggers of `migrate({ changeFeed: true })` and
 * `LISTEN`. Each watch has a connection of its own, which it makes again for as long as it takes.
 */
export class PgChangeFeed implements ChangeFeed {
  readonly portVersion = 1;
  readonly #connect: () => PgListeningClient;
  readonly #settings: Settings;
  readonly #watches: Set<Watch> = new Set();

  /**
   * No I/O.
   * @param connect Makes a client that is not connected yet: `() => new Client(…)` of `pg`. The feed connects and ends it.
   * @throws {WarpError} `INVALID_ARGUMENT` naming the option.
   */
  constructor(connect: () => PgListeningClient, options: PgChangeFeedOptions = {}) {
    const { table = "warp", schema = "public" } = options;
    const names = namesOf(schema, table, `${table}_history`);
    this.#connect = connect;
    this.#settings = Object.freeze({
      channel: names.channel,
      check: triggersPresent(names),
      keepAliveMs: durationMs("keepAlive", options.keepAlive ?? "5s", { leastMs: 1 }),
      answerWithinMs: durationMs("answerWithin", options.answerWithin ?? "2s", { leastMs: 1 }),
      onError: options.onError ?? (() => {}),
      timers: options.timers ?? systemClock,
    });
  }

  /** Whether every watch hears. */
  get live(): boolean {
    return [...this.#watches].every((watch) => watch.live);
  }

  /**
   * Costs one connection. @throws {WarpError} `UNSUPPORTED` if the triggers are not installed.
   * @throws What the client rejects with if no connection is to be had.
   */
  async watch(listener: ChangeListener): Promise<() => Promise<void>> {
    const watch = new Watch(this.#connect, this.#settings, listener);
    await watch.begin();
    this.#watches.add(watch);
    return async () => {
      this.#watches.delete(watch);
      await watch.end();
    };
  }
}
