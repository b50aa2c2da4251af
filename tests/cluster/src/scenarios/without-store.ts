import { type Warp, WarpError } from "@warp/core";
import { Calls } from "../calls.ts";
import { makeTrouble } from "../chaos.ts";
import { bringToRest, fail } from "../checks.ts";
import { Cluster, type ClusterNode } from "../cluster.ts";
import { contextOf } from "../internals.ts";
import type { Scheduler } from "../scheduler.ts";
import type { SeededRandom } from "../seeded-random.ts";

const keys = ["k:1", "k:2"];

const register = (warp: Warp): void => {
  warp.register("k:*", { ttl: "1h" });
};

interface Written {
  readonly node: ClusterNode;
  /** `undefined` for what only removes. */
  readonly value: string | undefined;
  readonly beganAt: number;
  /** Infinite until it resolves, and for ever if it does not. */
  endedAt: number;
}

/**
 * What was written when. No store puts it in an order, and losing a copy loses it; but a value may not be seen once a
 * write that began after the value's own had ended has ended too.
 */
class Writes {
  readonly #byKey = new Map<string, Written[]>(keys.map((key) => [key, []]));

  begin(node: ClusterNode, key: string, value: string | undefined, beganAt: number): Written {
    const written: Written = { node, value, beganAt, endedAt: Number.POSITIVE_INFINITY };
    this.#byKey.get(key)?.push(written);
    return written;
  }

  /** What overtook `value` by `time`. @param node Whose writes count. Default: everybody's. */
  overtaker(key: string, value: unknown, time: number, node?: ClusterNode): Written | undefined {
    const written = this.#byKey.get(key) ?? [];
    const own = written.find((one) => one.value === value);
    if (value === undefined || own === undefined) return undefined;
    return written.find(
      (later) => later.beganAt > own.endedAt && later.endedAt <= time && (node === undefined || later.node === node),
    );
  }
}

/** Calls of one scenario, each judged. */
class Work {
  readonly #cluster: Cluster;
  readonly #calls: Calls;
  readonly #chance: SeededRandom;
  readonly #writes = new Writes();
  #isJudged = true;
  #count = 0;

  constructor(cluster: Cluster, calls: Calls, chance: SeededRandom) {
    this.#cluster = cluster;
    this.#calls = calls;
    this.#chance = chance;
  }

  async run(node: ClusterNode, count: number, pauseMs: number): Promise<void> {
    const open: Promise<void>[] = [];
    for (let index = 0; index < count; index++) {
      await this.#cluster.scheduler.delay(this.#chance.next() * pauseMs, node.clock);
      const call = this.#call(node, this.#chance.pick(keys));
      if (this.#chance.next() < 0.5) open.push(call);
      else await call;
    }
    await Promise.all(open);
  }

  #call(node: ClusterNode, key: string): Promise<void> {
    const { warp } = node;
    const value = `${node.name}${++this.#count}`;
    switch (this.#chance.pick(["find", "find", "find", "getMany", "set", "set", "setMany", "delete", "invalidate"])) {
      case "find":
        return this.#read(node, key, () => warp.find(key));
      case "getMany":
        return this.#read(node, key, async () => (await warp.getMany(keys)).get(key));
      case "set":
        return this.#write(node, [[key, value]], () => warp.set(key, value));
      case "setMany": {
        const all = keys.map((one): [string, string] => [one, `${value}/${one}`]);
        return this.#write(node, all, () => warp.setMany(all));
      }
      case "delete":
        return this.#write(node, [[key, undefined]], () => warp.delete(key));
      default:
        return this.#write(node, [[key, undefined]], () => warp.invalidate(key));
    }
  }

  /** Reads are judged no more, but those at the end: a tier that goes back in time shows what it had until nodes are told. */
  excuseReads(): void {
    this.#isJudged = false;
  }

  /** A node never answers with what its own writes have overtaken. */
  async #read(node: ClusterNode, key: string, run: () => Promise<unknown>): Promise<void> {
    const beganAt = this.#cluster.scheduler.nowMs;
    const value = await this.#calls.watch(node, `read ${key}`, run());
    if (WarpError.is(value)) return;
    this.#calls.note(`${node.name} read ${key}, begun at ${beganAt.toFixed(3)} -> ${String(value)}`);
    if (this.#isJudged) this.#judge(node, key, value, beganAt, node);
  }

  async #write(
    node: ClusterNode,
    entries: readonly (readonly [string, string | undefined])[],
    run: () => Promise<unknown>,
  ): Promise<void> {
    const { scheduler } = this.#cluster;
    const what = `write ${JSON.stringify(entries)}`;
    this.#calls.note(`${node.name} ${what}`);
    const written = entries.map(([key, value]) => this.#writes.begin(node, key, value, scheduler.nowMs));
    const result = await this.#calls.watch(node, what, run());
    this.#calls.note(`${node.name} ${what} -> ${WarpError.is(result) ? result.code : "ok"}`);
    if (!WarpError.is(result)) for (const one of written) one.endedAt = scheduler.nowMs;
  }

  #judge(node: ClusterNode, key: string, value: unknown, time: number, by?: ClusterNode): void {
    const overtaker = this.#writes.overtaker(key, value, time, by);
    if (overtaker === undefined) return;
    const { node: writer, value: later } = overtaker;
    this.#calls.failures.push(
      `${node.name} answered ${String(value)} for ${key}; ${writer.name} wrote ${String(later)} after it`,
    );
  }

  /** Nobody has what anybody's write has overtaken, and whoever has something has the same. */
  async judgeEnd(): Promise<void> {
    const { scheduler, live } = this.#cluster;
    // Those first that keep nothing themselves: they show the shared tier.
    const nodes = [...live].sort(
      (a, b) => Number(contextOf(a.warp).local !== undefined) - Number(contextOf(b.warp).local !== undefined),
    );
    for (const key of keys) {
      const found = new Set<unknown>();
      for (const node of nodes) {
        const value = await scheduler.complete(node.warp.find(key));
        this.#calls.note(`at the end ${node.name} says ${String(value)} for ${key}`);
        this.#judge(node, key, value, scheduler.nowMs);
        if (value !== undefined) found.add(value);
      }
      if (found.size > 1) this.#calls.failures.push(`nodes answered ${[...found].join(" and ")} for ${key}`);
    }
  }
}

/** Caches are all there is: plain writes and reads while the shared tier, the bus or a node is in trouble. */
export const withoutStore = async (scheduler: Scheduler): Promise<void> => {
  const chance = scheduler.random("scenario");
  const cluster = new Cluster(scheduler, { register, stored: false, shared: true });
  for (const name of ["a", "b", "c"]) {
    const onCacheError = chance.pick(["miss", "miss", "reject"] as const);
    cluster.start(name, { localEntries: chance.pick([0, 1, 100]), warp: { onCacheError } });
  }
  await cluster.ready();
  const calls = new Calls(cluster, ["DEADLINE_EXCEEDED", "UNAVAILABLE", "CLOSED"]);
  const work = new Work(cluster, calls, chance);
  const pauseMs = chance.pick([20, 200]);
  const kinds = chance.pick([
    ["shared"],
    ["loss", "partition", "cut"],
    ["publishing", "disorder"],
    ["freeze"],
    ["shared", "crash"],
    ["rollback"],
    ["leave", "crash"],
    ["shared", "rollback", "loss", "disorder", "freeze", "crash"],
  ] as const);
  const working = new Set<ClusterNode>();
  const begin = (node: ClusterNode): void => {
    working.add(node);
    void work.run(node, 20, pauseMs).then(() => working.delete(node));
  };
  for (const node of cluster.live) begin(node);
  const note = (text: string): void => {
    if (text.startsWith("rollback")) work.excuseReads();
    calls.note(text);
  };
  const options = {
    cluster,
    chance: scheduler.random("trouble"),
    note,
    kinds,
    longestMs: 1_500,
    onRestart: begin,
    calls,
  };
  await scheduler.complete(makeTrouble(options, 3));
  cluster.heal();
  const isBusy = (): boolean => [...working].some(({ clock }) => clock.state !== "crashed");
  await scheduler.run({ until: () => !isBusy(), maxVirtualMs: 120_000 });
  await bringToRest(cluster, calls, 7_000);
  await work.judgeEnd();
  fail(calls.failures, calls);
};
