import type { Cancel } from "@warp/core";
import type { RedisClient, RedisConnection } from "./redis-client.ts";

const mostMoves = 1_000;

/**
 * Notices that the tier may have gone back in time, and tells once for each event:
 * - the client has connected again, whatever the reason (restart, Sentinel's switch, a network's failure);
 * - a Cluster's connection to one of its nodes was lost: a replica may take over, with or without this node seeing it;
 * - an answer comes from another history than the last about the same slot: another master (failover, a slot that
 *   moved), or the same one after it was a replica for a while, though no connection broke;
 * - an answer comes from a history unknown so far that continues a known one: a promoted replica.
 *
 * An answer is looked at before its contents are believed. Connections are watched only while somebody listens.
 */
export class RollbackWatch {
  readonly #client: RedisClient;
  readonly #listeners: Set<() => void> = new Set();
  readonly #historyOf: Map<number, string> = new Map();
  readonly #known: Set<string> = new Set();
  /** Moves from history to history that were told: the slots of a Cluster follow one another. */
  readonly #moves: Set<string> = new Set();
  /** Connections of a Cluster, with whether each has been up. */
  readonly #connections: Map<RedisConnection, { wasReady: boolean; stop: () => void }> = new Map();
  #wasReady = false;

  constructor(client: RedisClient) {
    this.#client = client;
  }

  listen(listener: () => void): Cancel {
    // Wrapped, so that a function given twice is two listeners.
    const own = (): void => listener();
    if (this.#listeners.size === 0) this.#start();
    this.#listeners.add(own);
    return () => {
      if (this.#listeners.delete(own) && this.#listeners.size === 0) this.#stop();
    };
  }

  /** @param ids What an answer about a key of `slot` says of its server's history; empty where the server does not say. */
  heard(slot: number, ids: string): void {
    const [history = "", former = ""] = ids.split(" ");
    if (history === "") return;
    const last = this.#historyOf.get(slot);
    if (last === history) return;
    this.#historyOf.set(slot, history);
    const isPromoted = !this.#known.has(history) && this.#known.has(former);
    this.#known.add(history);
    if (last === undefined ? isPromoted : this.#isNewMove(last, history)) this.#tell();
  }

  #isNewMove(from: string, to: string): boolean {
    // Back again is another event, and so is the same once more after that.
    this.#moves.delete(`${to}>${from}`);
    const move = `${from}>${to}`;
    if (this.#moves.has(move)) return false;
    if (this.#moves.size >= mostMoves) this.#moves.clear();
    this.#moves.add(move);
    return true;
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  readonly #onReady = (): void => {
    const again = this.#wasReady;
    this.#wasReady = true;
    if (again) this.#tell();
  };

  readonly #onNode = (node?: unknown): void => this.#follow(node as RedisConnection);

  readonly #onNodeGone = (node?: unknown): void => {
    this.#connections.get(node as RedisConnection)?.stop();
    this.#connections.delete(node as RedisConnection);
  };

  #start(): void {
    this.#wasReady = this.#client.status === "ready";
    this.#client.on("ready", this.#onReady);
    if (!this.#client.isCluster) return;
    this.#client.on("+node", this.#onNode);
    this.#client.on("-node", this.#onNodeGone);
    for (const node of this.#client.nodes?.() ?? []) this.#follow(node);
  }

  #stop(): void {
    this.#client.off("ready", this.#onReady);
    this.#client.off("+node", this.#onNode);
    this.#client.off("-node", this.#onNodeGone);
    for (const { stop } of this.#connections.values()) stop();
    this.#connections.clear();
  }

  #follow(node: RedisConnection): void {
    if (this.#connections.has(node)) return;
    const onReady = (): void => {
      state.wasReady = true;
    };
    const onClose = (): void => {
      // One that is not up yet has told nobody anything; one that its owner closes is no event.
      const lost = state.wasReady && this.#client.status === "ready";
      state.wasReady = false;
      if (lost) this.#tell();
    };
    const stop = (): void => {
      node.off("ready", onReady);
      node.off("close", onClose);
    };
    const state = { wasReady: node.status === "ready", stop };
    this.#connections.set(node, state);
    node.on("ready", onReady);
    node.on("close", onClose);
  }
}
