import { type CallLimits, type Transaction, type Warp, WarpError } from "@warp/core";
import type { Calls } from "./calls.ts";
import type { Cluster, ClusterNode } from "./cluster.ts";
import type { SeededRandom } from "./seeded-random.ts";

/** How often each kind of call comes, relative to the others. */
export type Mix = Readonly<Partial<Record<CallKind, number>>>;

export type CallKind =
  | "find"
  | "refresh"
  | "getMany"
  | "getOrSet"
  | "set"
  | "setMany"
  | "delete"
  | "invalidate"
  | "transaction"
  | "increment"
  | "incrementMany"
  | "localIncrement";

export interface WorkloadOptions {
  readonly cluster: Cluster;
  readonly calls: Calls;
  readonly chance: SeededRandom;
  /** Keys of plain values. */
  readonly keys: readonly string[];
  /** Keys of sums. */
  readonly counters?: readonly string[];
  /** Keys of sums that each node keeps for itself at first. */
  readonly localCounters?: readonly string[];
  readonly mix: Mix;
  /** The share of calls whose caller leaves before they end, as like as not. Default 0. */
  readonly hasty?: number;
}

/** What the calls on a sum add up to. */
interface Account {
  /** By the node that was told. */
  readonly resolved: Map<ClusterNode, number>;
  /** Who was told in the background that nobody knows what became of a part. */
  readonly doubtful: Set<ClusterNode>;
  /** By others than Warp. */
  outside: number;
  /** A crash may lose what a node had not flushed. */
  readonly local: boolean;
  /** Of calls whose outcome nobody was told. */
  unknown: number;
}

/** Whether an error leaves open what the store holds: a cache that fails under `"reject"` says nothing of it. */
const leavesOpen = (result: unknown): boolean =>
  WarpError.has(result, "OUTCOME_UNKNOWN") || (WarpError.is(result) && result.port === "shared-cache");

/** Calls of a seed's choice, every value written only once, so that a value tells its place in the store's order. */
export class Workload {
  readonly #options: WorkloadOptions;
  readonly #kinds: readonly CallKind[];
  readonly #accounts = new Map<string, Account>();
  /** Values that loaders made, and the place in the store's order at which they began. */
  readonly #creations: { readonly key: string; readonly value: string; readonly place: number }[] = [];
  #written = 0;

  constructor(options: WorkloadOptions) {
    this.#options = options;
    this.#kinds = Object.entries(options.mix).flatMap(([kind, weight]) =>
      Array<CallKind>(weight).fill(kind as CallKind),
    );
  }

  /** `count` calls on `node`, one after another or overlapping, each after a wait of up to `pauseMs`. */
  async run(node: ClusterNode, count: number, pauseMs: number): Promise<void> {
    const { cluster, chance } = this.#options;
    const open: Promise<unknown>[] = [];
    for (let index = 0; index < count; index++) {
      await cluster.scheduler.delay(chance.next() * pauseMs, node.clock);
      const call = this.call(node);
      if (chance.next() < 0.5) open.push(call);
      else await call;
    }
    await Promise.all(open);
  }

  /** One call on `node`. Resolves when it has ended. */
  async call(node: ClusterNode, kind: CallKind = this.#options.chance.pick(this.#kinds)): Promise<void> {
    const { chance, keys, counters = [], localCounters = [] } = this.#options;
    const key = chance.pick(kind.startsWith("increment") ? counters : kind === "localIncrement" ? localCounters : keys);
    await this.#made[kind](node, key);
  }

  /** What cannot be, whatever happened. */
  wrong(): string[] {
    return [...this.#wrongSums(), ...this.#wrongCreations()];
  }

  /** What a loader made is stored where nothing was written since it began, or not at all. */
  #wrongCreations(): string[] {
    const { log } = this.#options.cluster;
    return this.#creations.flatMap(({ key, value, place }) => {
      const at = log.placeOf(key, value);
      const told = `what a loader made of ${key} after place ${place} is stored at place ${at}: ${JSON.stringify(log.history(key))}`;
      return at < 0 || at === place + 1 ? [] : [told];
    });
  }

  /** Every sum is what was told, or that and some of what nobody could tell. */
  #wrongSums(): string[] {
    const { log } = this.#options.cluster;
    return [...this.#accounts].flatMap(([key, { resolved, doubtful, outside, local, unknown }]) => {
      const value = (log.valueNow(key) ?? 0) as number;
      let least = outside;
      let most = outside + unknown;
      for (const [node, amount] of resolved) {
        const certain = !local || (node.clock.state !== "crashed" && !doubtful.has(node));
        if (certain) least += amount;
        most += amount;
      }
      return value >= least && value <= most ? [] : [`${key} is ${value}; it must be in [${least}, ${most}]`];
    });
  }

  /** Listens to what `node` says of writes behind its callers' backs. */
  async listen(node: ClusterNode): Promise<void> {
    for await (const { code, key } of node.warp.publishErrors())
      if (code === "OUTCOME_UNKNOWN" && key !== undefined) this.#accounts.get(key)?.doubtful.add(node);
  }

  #account(key: string): Account {
    let account = this.#accounts.get(key);
    if (account === undefined) {
      const local = this.#options.localCounters?.includes(key) === true;
      account = { resolved: new Map(), doubtful: new Set(), outside: 0, local, unknown: 0 };
      this.#accounts.set(key, account);
    }
    return account;
  }

  /** Somebody who is not Warp adds 1 to `key`, `times` times. */
  addOutside(key: string, times: number): void {
    const { cluster } = this.#options;
    for (let time = 0; time < times; time++)
      cluster.writeOutside(key, ((cluster.log.valueNow(key) ?? 0) as number) + 1);
    this.#account(key).outside += times;
  }

  async increment({
    node,
    key,
    amount,
    what = `add ${amount} to ${key}`,
    run,
  }: {
    node: ClusterNode;
    key: string;
    amount: number;
    what?: string;
    run: (warp: Warp) => Promise<unknown>;
  }): Promise<void> {
    const account = this.#account(key);
    // Until it ends, nobody knows.
    account.unknown += amount;
    const result = await this.#options.calls.write(node, key, what, () => run(node.warp));
    if (leavesOpen(result)) return;
    account.unknown -= amount;
    if (!WarpError.is(result)) account.resolved.set(node, (account.resolved.get(node) ?? 0) + amount);
  }

  readonly #made: Readonly<Record<CallKind, (node: ClusterNode, key: string) => Promise<unknown>>> = {
    find: (node, key) => this.#read(node, key, "find", () => node.warp.find(key, this.#haste())),
    refresh: (node, key) => this.#read(node, key, "refresh", () => node.warp.find(key, { refresh: true })),
    getMany: (node, key) =>
      this.#read(node, key, "getMany", async () => (await node.warp.getMany([...this.#options.keys])).get(key)),
    getOrSet: (node, key) => {
      const value = this.#value(node);
      const load = async (): Promise<string> => {
        this.#creations.push({ key, value, place: this.#options.cluster.log.last(key) });
        await this.#options.cluster.scheduler.delay(this.#options.chance.next() * 20, node.clock);
        return value;
      };
      return this.#read(node, key, "getOrSet", () => node.warp.getOrSet(key, load, this.#haste()));
    },
    set: (node, key) => {
      const value = this.#value(node);
      return this.#write(node, key, `set ${key} ${value}`, () => node.warp.set(key, value, this.#haste()));
    },
    setMany: (node, key) => {
      const others = this.#options.keys.map((other): [string, string] => [other, this.#value(node)]);
      return this.#write(node, key, `setMany ${JSON.stringify(others)}`, () =>
        node.warp.setMany(others, this.#haste()),
      );
    },
    delete: (node, key) => this.#write(node, key, `delete ${key}`, () => node.warp.delete(key, this.#haste())),
    invalidate: (node, key) => this.#write(node, key, `invalidate ${key}`, () => node.warp.invalidate(key)),
    transaction: (node, key) => {
      const value = this.#value(node);
      const change = (txn: Transaction): void => {
        for (const other of this.#options.keys) txn.set(other, `${value}/${other}`);
      };
      return this.#write(node, key, `transaction ${value}`, () => node.warp.transaction(change));
    },
    increment: (node, key) => {
      const amount = this.#options.chance.integer(1, 9);
      return this.increment({ node, key, amount, run: (warp) => warp.set(key, amount, this.#haste()) });
    },
    incrementMany: async (node) => {
      const { calls, chance, counters = [] } = this.#options;
      const amounts = counters.map((name): [string, number] => [name, chance.integer(1, 9)]);
      const what = `add ${JSON.stringify(amounts)}`;
      const setting = node.warp.setMany(amounts, this.#haste());
      const outcomeOf = (name: string): Promise<unknown> =>
        setting.catch((error: unknown) => {
          const own = WarpError.is(error) && error.errors !== undefined ? error.errors.get(name) : error;
          if (own !== undefined) throw own;
        });
      await Promise.all(
        amounts.map(([key, amount]) => this.increment({ node, key, amount, what, run: () => outcomeOf(key) })),
      );
      calls.note(`${node.name} ${what} ended`);
    },
    localIncrement: (node, key) => this.#made.increment(node, key),
  };

  /** What a caller says who does not wait long. Others say nothing, which is where most short ways begin. */
  #haste(): CallLimits | undefined {
    const { cluster, chance, hasty = 0 } = this.#options;
    if (chance.next() >= hasty) return undefined;
    const waitMs = chance.next() * 20;
    if (chance.next() < 0.5) return { hardTimeout: Math.max(1, waitMs) };
    const controller = new AbortController();
    void cluster.scheduler.delay(waitMs).then(() => controller.abort());
    // Some leave within the very turn in which they called.
    if (chance.next() < 0.2) queueMicrotask(() => controller.abort());
    return { signal: controller.signal };
  }

  #value(node: ClusterNode): string {
    return `${node.name}${++this.#written}`;
  }

  #read(node: ClusterNode, key: string, how: string, run: () => Promise<unknown>): Promise<unknown> {
    return this.#options.calls.read(node, key, how, run);
  }

  #write(node: ClusterNode, key: string, what: string, run: () => Promise<unknown>): Promise<unknown> {
    return this.#options.calls.write(node, key, what, run);
  }
}
