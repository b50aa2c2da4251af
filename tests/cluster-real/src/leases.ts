import type { Cluster } from "./cluster.ts";
import type { Values } from "./protocol.ts";
import { Truth } from "./settle.ts";
import { until } from "./until.ts";

const endsWithinMs = 30_000;

/**
 * Every node holds copies of keys that are attached to a lease; somebody who is on no bus changes them in the store;
 * then the lease ends, and with it every copy.
 * @param meanwhile Happens once the copies are there.
 * @param how Whether a node revokes it, not the one that granted it, or nobody does and it expires.
 * @returns How many copies were served after that: none, or something is wrong.
 */
export const copiesThatOutliveLease = async (
  cluster: Cluster,
  keys: readonly string[],
  how: "revoke" | "expire",
  meanwhile: () => Promise<void> = async () => {},
): Promise<number> => {
  await using truth = await Truth.of(cluster);
  const [granter, other] = [cluster.node(0), cluster.node(1)];
  await granter.ask({ ask: "write", entries: keys.map((key) => [key, `${how}: before`] as const) });
  const lease = await granter.ask<string>({ ask: "grant", keys, ttlMs: how === "revoke" ? 3_600_000 : 3_000 });
  for (const node of cluster.nodes) await node.ask({ ask: "values", keys });
  await meanwhile();
  await truth.warp.setMany(keys.map((key) => [key, `${how}: after`] as const));
  if (how === "revoke") await other.ask({ ask: "revoke", lease });
  let old = 0;
  const isGone = async (): Promise<boolean> => {
    const all = await Promise.all(cluster.nodes.map((node) => node.ask<Values>({ ask: "values", keys })));
    old = all.flat().filter((value) => value !== `${how}: after`).length;
    return old === 0;
  };
  await until(isGone, endsWithinMs);
  return old;
};
