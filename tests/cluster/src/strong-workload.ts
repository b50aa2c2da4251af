import {
  type Call,
  FencedResource,
  type LockCall,
  makeCall,
  makeLockCall,
  partsOf,
  Recorder,
} from "@warp/tests-histories";
import type { Cluster, ClusterNode } from "./cluster.ts";
import type { SeededRandom } from "./seeded-random.ts";

export interface StrongWorkloadOptions {
  readonly cluster: Cluster;
  readonly chance: SeededRandom;
  /** Keys of plain values. */
  readonly keys: readonly string[];
  readonly counters: readonly string[];
  readonly locks: readonly string[];
  /** A key that is kept otherwise, written beside strong ones. */
  readonly beside: string;
  /** The share of calls whose caller leaves early. */
  readonly hasty: number;
  /** Nodes that keep the keys otherwise: what they read promises nothing. */
  readonly mixed: ReadonlySet<string>;
  /** Whether most calls are about values that are loaded. */
  readonly isLoading: boolean;
}

const expected: ReadonlySet<string> = new Set([
  ...["OUTCOME_UNKNOWN", "UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED", "CLOSED", "CONFLICT", "CAS_MISMATCH"],
  ...["QUORUM_NOT_SATISFIED", "LEASE_ENDED"],
]);

type Kind = Call["call"] | "lock";

const writes = ["set", "set", "set", "setMany", "delete", "add", "add", "transaction", "transaction"] as const;
const kinds: readonly Kind[] = [
  ...["find", "find", "find", "getMany", "getOrSet", "getOrSet", "compareAndSwap", "read transaction"],
  ...[...writes, "invalidate", "lock"],
] as Kind[];
const loading: readonly Kind[] = ["getOrSet", "getOrSet", "getOrSet", "getOrSet", "delete", "delete", "set", "find"];

/** Calls on strong keys, of a seed's choice, taken down as a history. Every value is written by one call. */
export class StrongWorkload {
  readonly recorder: Recorder;
  readonly failures: string[] = [];
  /** Calls under way, by node. */
  readonly open: Map<ClusterNode, number> = new Map();
  readonly #options: StrongWorkloadOptions;
  readonly #guarded: FencedResource;
  #written = 0;

  constructor(options: StrongWorkloadOptions) {
    this.#options = options;
    this.recorder = new Recorder(() => options.cluster.scheduler.nowMs);
    this.#guarded = new FencedResource((event) => this.recorder.lock(event));
  }

  async run(node: ClusterNode, count: number, pauseMs: number): Promise<void> {
    const { cluster, chance, mixed, isLoading } = this.#options;
    const drawn = isLoading ? loading : kinds;
    const open: Promise<unknown>[] = [];
    for (let index = 0; index < count; index++) {
      await cluster.scheduler.delay(chance.next() * pauseMs, node.clock);
      const kind: Kind = chance.pick(mixed.has(node.name) ? writes : drawn);
      const call = kind === "lock" ? this.#lock(node) : this.#call(node, this.#drawn(node, kind));
      if (chance.next() < 0.6) open.push(call);
      else await call;
    }
    await Promise.all(open);
  }

  /** Makes a call and takes it down. */
  async #call(node: ClusterNode, call: Call): Promise<void> {
    const { scheduler } = this.#options.cluster;
    const ids = partsOf(call).map((steps) => this.recorder.begin(node.name, call.call, steps));
    this.open.set(node, (this.open.get(node) ?? 0) + 1);
    const ends = await makeCall(node.warp, call, (ms) => scheduler.delay(ms, node.clock));
    for (const [index, end] of ends.entries()) {
      this.recorder.end(ids[index] as number, end);
      this.#require(node, call.call, end.error);
      scheduler.note(
        `#${ids[index]} ${node.name} ${call.call} ${end.status} ${JSON.stringify(end.steps ?? end.error)}`,
      );
    }
    this.open.set(node, (this.open.get(node) ?? 1) - 1);
  }

  async #lock(node: ClusterNode): Promise<void> {
    const { cluster, chance, locks } = this.#options;
    const { scheduler } = cluster;
    const call: LockCall = {
      key: chance.pick(locks),
      ttl: chance.integer(20, 400),
      hardTimeout: chance.integer(1_000, 4_000),
      // Now and then for longer than the lock holds.
      pauses: Array.from({ length: chance.integer(1, 3) }, () => chance.next() * 300),
      isRenewed: chance.next() < 0.3,
    };
    const error = await makeLockCall(node.warp, call, {
      now: () => scheduler.nowMs,
      pause: (ms) => scheduler.delay(ms, node.clock),
      onEvent: (event) => this.recorder.lock({ ...event, process: node.name }),
      write: async (lock, token) => {
        await scheduler.delay(chance.next() * 5, node.clock);
        this.#guarded.write(node.name, lock, token, scheduler.nowMs);
      },
    });
    this.#require(node, "lock", error);
    scheduler.note(`${node.name} lock ${call.key} ${error ?? "ok"}`);
  }

  #require({ name }: ClusterNode, call: string, code: string | undefined): void {
    if (code !== undefined && !expected.has(code)) this.failures.push(`${call} on ${name} failed: ${code}`);
  }

  #drawn(node: ClusterNode, kind: Call["call"]): Call {
    const { chance, keys, counters, beside } = this.#options;
    const limits = this.#haste();
    switch (kind) {
      case "getMany":
      case "read transaction":
        return { call: kind, keys, ...limits };
      case "set":
      case "compareAndSwap":
        return { call: kind, key: chance.pick(keys), value: this.#value(node), ...limits };
      case "setMany":
        return { call: kind, entries: keys.map((key) => [key, this.#value(node)]), ...limits };
      case "add":
        return { call: kind, key: chance.pick(counters), amount: chance.integer(1, 9), ...limits };
      case "getOrSet": {
        const value = chance.next() < 0.2 ? null : this.#value(node);
        return { call: kind, key: chance.pick(keys), value, loadMs: chance.next() * 20, ...limits };
      }
      case "transaction": {
        const [one, other] = [chance.pick(keys), chance.pick(keys)];
        const written = [...new Set(chance.next() < 0.3 ? [other] : [one, other])];
        return {
          ...{ call: kind, reads: one, entries: written.map((key) => [key, this.#value(node)]), ...limits },
          ...(chance.next() < 0.3 ? { beside: [beside, this.#value(node)] } : {}),
        };
      }
      default:
        return { call: kind, key: chance.pick(keys), ...limits };
    }
  }

  #haste(): { readonly hardTimeout?: number } {
    const { chance, hasty } = this.#options;
    return chance.next() < hasty ? { hardTimeout: 1 + Math.floor(chance.next() * 40) } : {};
  }

  #value(node: ClusterNode): string {
    return `${node.name}${++this.#written}`;
  }
}
