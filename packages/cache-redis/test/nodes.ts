import { setTimeout as turn } from "node:timers/promises";
import { afterAll } from "@jest/globals";
import { type Logger, MemoryBus, MemoryNetwork, MemoryStore, type SharedCache, Warp, type WarpError } from "@warp/core";
import { RedisCache } from "../src/index.ts";
import type { TestClient } from "./redis-clients.ts";

/** Returns once `condition` holds. */
export const until = async (what: string, condition: () => boolean | Promise<boolean>): Promise<void> => {
  for (const deadline = performance.now() + 30_000; performance.now() < deadline; await turn(10))
    if (await condition()) return;
  throw new Error(`did not come about: ${what}`);
};

/** One node on a tier of its own connection. */
export interface TestNode {
  readonly warp: Warp;
  readonly cache: RedisCache;
  readonly client: TestClient;
  /** How often the tier was asked anything. */
  readonly calls: () => number;
  readonly warnings: WarpError[];
  /** How often the tier was reported to have perhaps gone back in time. */
  readonly rollbacks: () => number;
}

export interface NodesOptions {
  readonly prefix: string;
  readonly cacheDeadlineMs?: number;
  readonly onCacheError?: "miss" | "reject";
  /** Default: none, so that the tier is asked each time. */
  readonly localCache?: boolean;
}

const collecting = (warnings: WarpError[]): Logger => {
  const ignore = (): void => {};
  return {
    debug: ignore,
    info: ignore,
    error: ignore,
    warn: ({ err }) => void (err && warnings.push(err as WarpError)),
  };
};

const counting = (cache: SharedCache, count: () => void): SharedCache => {
  const counted =
    <Args extends unknown[], Result>(call: (...args: Args) => Result) =>
    (...args: Args): Result => {
      count();
      return call(...args);
    };
  return {
    portVersion: 1,
    read: counted((...args) => cache.read(...args)),
    put: counted((...args) => cache.put(...args)),
    drop: counted((...args) => cache.drop(...args)),
    epoch: counted((...args) => cache.epoch(...args)),
    onRollback: (listener) => cache.onRollback(listener),
  };
};

const opened: TestNodes[] = [];

// Also those of tests that failed.
afterAll(async () => {
  for (const nodes of opened) await nodes.close();
});

/** Nodes of one cluster, one for each client, on one store. */
export class TestNodes {
  readonly store: MemoryStore = new MemoryStore();
  readonly nodes: TestNode[];
  readonly #network: MemoryNetwork = new MemoryNetwork();

  readonly #isAlone: boolean;

  constructor(clients: readonly TestClient[], options: NodesOptions) {
    // Without a bus a node need not wait for others to name an epoch.
    this.#isAlone = clients.length === 1;
    this.nodes = clients.map((client) => this.#open(client, options));
    opened.push(this);
  }

  #open(
    client: TestClient,
    { prefix, cacheDeadlineMs = 5_000, onCacheError = "miss", localCache }: NodesOptions,
  ): TestNode {
    const cache = new RedisCache(client, { prefix });
    const warnings: WarpError[] = [];
    let calls = 0;
    let rollbacks = 0;
    const warp = new Warp({
      ...(localCache === true ? {} : { localCache: false as const }),
      sharedCache: counting(cache, () => {
        calls += 1;
      }),
      store: this.store,
      ...(this.#isAlone ? {} : { bus: new MemoryBus(this.#network) }),
      deadlines: { cache: cacheDeadlineMs },
      onCacheError,
      logger: collecting(warnings),
    });
    warp.register("k:*", { ttl: "10m" });
    cache.onRollback(() => {
      rollbacks += 1;
    });
    return { warp, cache, client, calls: () => calls, warnings, rollbacks: () => rollbacks };
  }

  get first(): TestNode {
    return this.nodes[0] as TestNode;
  }

  get second(): TestNode {
    return this.nodes[1] as TestNode;
  }

  /** Returns once every node serves `key` from the tier, which needs an epoch that they trust. */
  async settle(key: string): Promise<void> {
    await until(`${key} in the tier`, async () => {
      for (const { warp } of this.nodes) await warp.find(key);
      return await this.areServedFromTier(key);
    });
  }

  /** Whether each node finds `key` in the tier and trusts it. */
  async areServedFromTier(key: string): Promise<boolean> {
    for (const { warp } of this.nodes) {
      if (warp.status().ports.sharedCache !== "up") return false;
      // While a Cluster's nodes disagree on who has a slot, its client gives up.
      const found = await warp.inspect(key).catch(() => undefined);
      if (found?.tier !== "shared" || found.suspect) return false;
    }
    return true;
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.map(({ warp }) => warp.close()));
    for (const { client } of this.nodes) if (client.status !== "end") client.disconnect();
  }
}
