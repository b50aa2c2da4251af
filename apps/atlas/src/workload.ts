import { setTimeout } from "node:timers/promises";
import type { Atlas, Node, Sample } from "./bootstrap.ts";
import type { City } from "./data.ts";
import { Draw } from "./draw.ts";
import { CountryLeases, type Revocation } from "./leases.ts";
import { Ledger } from "./ledger.ts";
import { Operations } from "./operations.ts";
import { planOf } from "./plan.ts";
import { traffic } from "./traffic.ts";

export interface WorkloadOptions {
  readonly seed: number;
  readonly operations: number;
  readonly cities: readonly City[];
  /** Told of each operation that has ended. */
  readonly onOperation: () => void;
}

/** What is known when the workload has run. */
export interface Outcome {
  readonly ledger: Ledger;
  readonly revocation: Revocation;
  /** The metrics before it, when the bus was cut, and after it. */
  readonly before: readonly Sample[];
  readonly atCut: readonly Sample[];
  readonly after: readonly Sample[];
  readonly tookMs: number;
}

const concurrency = 8;
const cutMs = 2_000;

/** Resolves once each node has told the others everything, and they have had the time to hear it. */
const settle = async ({ nodes, propagationMs }: Atlas): Promise<void> => {
  await Promise.all(nodes.map((node) => node.flush()));
  await setTimeout(propagationMs);
};

/**
 * Users of all nodes at once, in five acts: reads and writes alone; while every country gets a lease; while the leases
 * are revoked; while the last node is cut off from the bus; and afterwards.
 */
export const runWorkload = async (
  atlas: Atlas,
  { seed, operations: count, cities, onOperation }: WorkloadOptions,
): Promise<Outcome> => {
  const ledger = new Ledger();
  const operations = new Operations(atlas.nodes, ledger);
  const leases = new CountryLeases(atlas.nodes, new Draw(seed + 1));
  const plan = planOf(seed, count, cities, atlas.nodes.length);
  const act = async (from: number, to: number, beside?: () => Promise<void>, spreadMs = 0): Promise<void> => {
    const part = plan.slice(from * count, to * count);
    const users = traffic(part, { concurrency, spreadMs }, (operation) => operations.run(operation).then(onOperation));
    await Promise.all([users, beside?.()]);
  };
  const cutOff = atlas.nodes.at(-1) as Node;

  const startedAt = performance.now();
  const before = await atlas.samples();
  await act(0, 0.3);
  await act(0.3, 0.5, () => leases.grant(cities));
  await act(0.5, 0.65, () => leases.revoke());
  await settle(atlas);
  const revocation = await leases.revocation();
  const atCut = await atlas.samples();
  const cut = async (): Promise<void> => {
    atlas.disconnect(cutOff);
    await setTimeout(cutMs);
    atlas.reconnect(cutOff);
  };
  await act(0.65, 0.8, cut, cutMs);
  await act(0.8, 1);
  await settle(atlas);
  const after = await atlas.samples();
  return { ledger, revocation, before, atCut, after, tookMs: performance.now() - startedAt };
};
