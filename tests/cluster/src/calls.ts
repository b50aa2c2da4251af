import { WarpError } from "@warp/core";
import type { Cluster, ClusterNode } from "./cluster.ts";

export interface Read {
  readonly node: ClusterNode;
  readonly key: string;
  readonly how: string;
  /** The place in the store's order below which no answer may be. */
  readonly floor: number;
  readonly beganAt: number;
}

/**
 * The calls of a scenario: each must end, with an answer or an error that the scenario allows, and no read may give a
 * value older than what its node knew to be overtaken when it began.
 */
export class Calls {
  readonly #cluster: Cluster;
  readonly #allowed: ReadonlySet<string>;
  readonly #floors = new Map<string, number>();
  readonly #open = new Map<Promise<unknown>, { readonly node: ClusterNode; readonly what: string }>();
  readonly failures: string[] = [];
  #lenient = false;
  readonly #story: string[] = [];

  /** @param allowed Codes of errors that calls may end with, for faults that callers notice. */
  constructor(cluster: Cluster, allowed: readonly string[] = []) {
    this.#cluster = cluster;
    this.#allowed = new Set(["NOT_FOUND", ...allowed]);
  }

  /** Reads are judged no more: a tier that goes back in time may show an older value until its nodes are told. */
  excuseReads(): void {
    this.#lenient = true;
  }

  /** Writes down what happened, for the report of a failure. */
  note(text: string): void {
    const { scheduler } = this.#cluster;
    scheduler.note(text);
    this.#story.push(`${scheduler.nowMs.toFixed(3)} ms  ${text}`);
  }

  /** What happened, in words. */
  get story(): string {
    return this.#story.slice(-60).join("\n  ");
  }

  /** From now on `node` answers for `key` with what the store held at `place`, or later. */
  raise(node: ClusterNode, key: string, place: number): void {
    const at = `${node.clock.label}/${key}`;
    this.#floors.set(at, Math.max(place, this.#floors.get(at) ?? 0));
  }

  floor(node: ClusterNode, key: string): number {
    return this.#floors.get(`${node.clock.label}/${key}`) ?? 0;
  }

  /** Watches a call to its end. Resolves to its answer, or to the error that was allowed. */
  async watch<T>(node: ClusterNode, what: string, work: Promise<T>): Promise<T | WarpError> {
    this.#open.set(work, { node, what });
    try {
      return await work;
    } catch (error) {
      if (WarpError.is(error) && this.#allowed.has(error.code)) return error;
      const told = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.failures.push(`${what} on ${node.name} failed: ${told}`);
      return error as WarpError;
    } finally {
      this.#open.delete(work);
    }
  }

  /** A write: once it is done its node must not answer with less. @param outcome What to raise the floor by. */
  async write(node: ClusterNode, key: string, what: string, run: () => Promise<unknown>): Promise<unknown> {
    const { truth } = this.#cluster;
    const before = truth.last(key);
    this.note(`${node.name} ${what}`);
    const result = await this.watch(node, what, run());
    this.note(`${node.name} ${what} -> ${WarpError.is(result) ? result.code : String(result)}`);
    if (!WarpError.is(result)) this.raise(node, key, before);
    return result;
  }

  /** A read that must not go back behind what its node knows. */
  async read(node: ClusterNode, key: string, how: string, run: () => Promise<unknown>): Promise<unknown> {
    const { scheduler } = this.#cluster;
    const read: Read = { node, key, how, floor: this.floor(node, key), beganAt: scheduler.nowMs };
    this.note(`${node.name} ${how} ${key}`);
    const value = await this.watch(node, `${how} ${key}`, run());
    this.note(`${node.name} ${how} ${key} -> ${WarpError.is(value) ? value.code : String(value)}`);
    if (!WarpError.is(value)) this.judge(read, value);
    else if (value.code === "NOT_FOUND") this.judge(read, undefined);
    return value;
  }

  judge({ node, key, how, floor, beganAt }: Read, value: unknown): void {
    const { truth } = this.#cluster;
    const place = truth.placeOf(key, value);
    if (place >= floor || this.#lenient) return;
    this.failures.push(
      `${how} ${key} on ${node.name}, begun at ${beganAt.toFixed(3)} ms, answered ${String(value)} (place ${place}); it knew of place ${floor}: ${JSON.stringify(truth.history(key))}`,
    );
  }

  /** Nothing that was called on `node` may be under way any more. */
  requireEnded(node: ClusterNode): void {
    for (const { node: its, what } of this.#open.values())
      if (its === node) this.failures.push(`${what} on ${node.name} had not ended when it had closed`);
  }

  /** What has not ended, of nodes that live. */
  get open(): readonly string[] {
    return [...this.#open.values()]
      .filter(({ node }) => node.clock.state !== "crashed")
      .map(({ node, what }) => `${what} on ${node.name}`);
  }
}
