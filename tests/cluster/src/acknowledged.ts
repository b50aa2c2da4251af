import type { Delivery } from "@warp/core";
import { decodeFrame } from "../../../packages/core/src/wire/frame.ts";
import type { Cluster, ClusterNode } from "./cluster.ts";
import { contextOf } from "./internals.ts";

/** A node said that it has let go of these keys, and that it makes no copy until it hears more. */
interface Promised {
  readonly operation: string;
  readonly keys: readonly string[];
  readonly until: number;
}

/**
 * Watches the bus, and holds every node to what it acknowledged: until the outcome of a write is told or its fence ends, it
 * holds no copy of the keys. A history cannot see that: reads are right without fences.
 */
export class Acknowledged {
  readonly #cluster: Cluster;
  readonly #quorum: number;
  readonly #acknowledged: Map<string, Set<string>> = new Map();
  readonly #announced: Map<string, { keys: string[]; fenceMs: number }> = new Map();
  readonly #promised: Map<string, Promised[]> = new Map();
  readonly #locals: Map<ClusterNode, ReturnType<typeof contextOf>> = new Map();
  /** Who may have heard the outcome of which operation. */
  readonly #told: Set<string> = new Set();
  readonly problems: string[] = [];

  /** @param quorum How many nodes must acknowledge each write, the writer among them. */
  constructor(cluster: Cluster, quorum: number) {
    this.#cluster = cluster;
    this.#quorum = quorum;
    cluster.network.faults.drop = (delivery) => {
      this.#see(delivery);
      return cluster.lost?.(delivery) === true;
    };
  }

  /** A node of this name begins anew, with nothing and bound by nothing. */
  forget(name: string): void {
    this.#promised.delete(name);
  }

  /** To be called after every step. */
  check(): void {
    const now = this.#cluster.scheduler.nowMs;
    for (const node of this.#cluster.live) {
      const promised = this.#promised.get(node.name);
      if (promised === undefined || promised.length === 0) continue;
      const left = promised.filter(({ until }) => until > now);
      this.#promised.set(node.name, left);
      for (const { operation, keys } of left)
        for (const key of keys)
          if (this.#contextOf(node).local?.get(key) !== undefined)
            this.problems.push(`${node.name} says that it has no copy of ${key} for ${operation}, and holds one`);
    }
  }

  #contextOf(node: ClusterNode): ReturnType<typeof contextOf> {
    let context = this.#locals.get(node);
    if (context === undefined) {
      context = contextOf(node.warp);
      this.#locals.set(node, context);
    }
    return context;
  }

  #requireQuorum(writer: string, operation: string): void {
    const others = this.#acknowledged.get(operation)?.size ?? 0;
    if (others + 1 < this.#quorum)
      this.problems.push(`${writer} says that ${operation} is committed, which ${others} others have acknowledged`);
  }

  #see({ from, to, frame: bytes }: Delivery): void {
    const decoded = decodeFrame(bytes);
    if (!("frame" in decoded)) return;
    const { scheduler } = this.#cluster;
    for (const body of decoded.frame.bodies) {
      if (body.kind === "prepare") {
        const known = this.#announced.get(body.operation) ?? { keys: [], fenceMs: body.fenceMs };
        this.#announced.set(body.operation, { ...known, keys: [...new Set([...known.keys, ...body.keys])] });
      } else if (body.kind === "acknowledge") {
        const who = this.#acknowledged.get(body.operation) ?? new Set();
        // One that keeps a key otherwise does not count.
        this.#acknowledged.set(body.operation, body.mismatch ? who : who.add(from));
        const announced = this.#announced.get(body.operation);
        // What is sent late may have been overtaken by the outcome.
        if (announced === undefined || this.#told.has(`${from}/${body.operation}`)) continue;
        // Clocks drift, and the fence was raised before: well within its life.
        const until = scheduler.nowMs + announced.fenceMs * 0.5;
        const promised = { operation: body.operation, keys: announced.keys, until };
        this.#promised.set(from, [...(this.#promised.get(from) ?? []), promised]);
      } else if (body.kind === "commit" || body.kind === "abort") {
        if (body.kind === "commit") this.#requireQuorum(from, body.operation);
        this.#told.add(`${to}/${body.operation}`);
        // From the moment on that it is on its way, its receiver may have heard it.
        const left = (this.#promised.get(to) ?? []).filter(({ operation }) => operation !== body.operation);
        this.#promised.set(to, left);
      }
    }
  }
}
