import type { Warp } from "@warp/core";
import { Calls } from "../calls.ts";
import { makeTrouble } from "../chaos.ts";
import { requireConsistentEnd } from "../checks.ts";
import { Cluster, type ClusterNode } from "../cluster.ts";
import type { Scheduler } from "../scheduler.ts";

const keys = ["e:1", "e:2"];
const lifeMs = 3_000;
// What drift makes of a life, and the latency that a store's answer may hide.
const slackMs = 40;

const register = (warp: Warp): void => {
  warp.register("e:*", { ttl: "1h", storeTtl: lifeMs });
};

/** Values that the store lets expire by its own clock, on nodes whose clocks are wrong, and jump. */
export const storeExpiry = async (scheduler: Scheduler): Promise<void> => {
  const chance = scheduler.random("scenario");
  const cluster = new Cluster(scheduler, { register, shared: chance.next() < 0.5 });
  const hour = 3_600_000;
  const nodes = ["a", "b", "c"].map((name) =>
    cluster.start(name, { skewMs: chance.integer(-hour, hour), driftPerMs: (chance.next() - 0.5) / 500 }),
  );
  await cluster.ready();
  const calls = new Calls(cluster);
  let written = 0;
  const set = (node: ClusterNode, key: string): Promise<unknown> => {
    const value = `${node.name}${++written}`;
    return calls.write(node, key, `set ${key} ${value}`, () => node.warp.set(key, value));
  };
  const find = async (node: ClusterNode, key: string): Promise<void> => {
    const over = cluster.server.now() - (cluster.log.current(key)?.expiresAt ?? Number.POSITIVE_INFINITY);
    const place = cluster.log.last(key);
    calls.note(`${node.name} find ${key}, over for ${over} ms`);
    const value = await calls.watch(node, `find ${key}`, node.warp.find(key));
    calls.note(`${node.name} find ${key} -> ${String(value)}`);
    if (value !== undefined && over > slackMs && cluster.log.placeOf(key, value) <= place)
      calls.failures.push(`find ${key} on ${node.name} answered ${String(value)}, ${over} ms after its expiry`);
  };
  const work = async (node: ClusterNode): Promise<void> => {
    for (let turn = 0; turn < 10; turn++) {
      await scheduler.delay(chance.next() * 900);
      await (chance.next() < 0.2 ? set : find)(node, chance.pick(keys));
    }
  };
  const trouble = makeTrouble(
    { cluster, chance: scheduler.random("trouble"), note: (text) => calls.note(text), kinds: ["clock"] },
    chance.integer(0, 2),
  );
  const late = async (): Promise<void> => {
    await scheduler.delay(chance.next() * 4_000);
    // A node reads the moment it has begun.
    const node = cluster.start("late", { skewMs: chance.integer(-hour, hour) });
    nodes.push(node);
    await find(node, chance.pick(keys));
    await work(node);
  };
  await scheduler.complete(Promise.all([trouble, late(), ...nodes.map(work)]));
  await scheduler.advance(lifeMs + 2 * slackMs);
  await requireConsistentEnd(cluster, calls, []);
  for (const node of nodes) for (const key of keys) await scheduler.complete(find(node, key));
  if (calls.failures.length > 0) throw new Error(`${calls.failures.join("\n")}\nwhat happened:\n  ${calls.story}`);
};
