import { FencedResource, type LockEvent, lockAnomalies, makeLockCall } from "@warp/tests-histories";
import { makeTrouble } from "../chaos.ts";
import { Cluster, type ClusterNode } from "../cluster.ts";
import type { Scheduler } from "../scheduler.ts";

const lock = "lock:section";
const codes: ReadonlySet<string | undefined> = new Set([
  ...[undefined, "LEASE_ENDED", "DEADLINE_EXCEEDED", "QUORUM_NOT_SATISFIED", "UNAVAILABLE", "OUTCOME_UNKNOWN"],
]);

/** What became of the writes to what the lock guards. */
export interface SectionCounts {
  accepted: number;
  refused: number;
}

/**
 * Three nodes contend for a lock and write to what it guards, with pauses that often outlast the lock, while nodes stand
 * still and clocks jump: whoever was overtaken is refused, and nobody is refused who was not.
 * @param counts Adds up over seeds, so that a test knows that it tested something.
 */
export const criticalSection = async (scheduler: Scheduler, counts: SectionCounts): Promise<void> => {
  const chance = scheduler.random("scenario");
  const register: ConstructorParameters<typeof Cluster>[1]["register"] = (warp) => {
    warp.register("lock:*", { mode: "strong-distributed", ttl: "1h" });
    warp.setQuorum("lock:*", 2);
  };
  const cluster = new Cluster(scheduler, { register });
  await cluster.startAll("a", "b", "c");
  const events: LockEvent[] = [];
  const guarded = new FencedResource((event) => events.push(event));
  const wrong: string[] = [];
  const contend = async (node: ClusterNode): Promise<void> => {
    for (let round = 0; round < 5; round++) {
      const pauses = [chance.next() * 30, chance.pick([0, 10, 200])];
      const call = { key: lock, ttl: 60, hardTimeout: 60_000, pauses, isRenewed: chance.next() < 0.2 };
      const code = await makeLockCall(node.warp, call, {
        now: () => scheduler.nowMs,
        pause: (ms) => scheduler.delay(ms, node.clock),
        onEvent: (event) => events.push({ ...event, process: node.name }),
        write: async (name, token) => guarded.write(node.name, name, token, scheduler.nowMs),
      });
      if (!codes.has(code)) wrong.push(`${node.name}: ${code}`);
    }
  };
  const kinds = ["freeze", "clock"] as const;
  const trouble = makeTrouble({ cluster, chance, note: (text) => scheduler.note(text), kinds, longestMs: 500 }, 2);
  await scheduler.complete(Promise.all([trouble, ...cluster.nodes.map(contend)]), { maxVirtualMs: 600_000 });
  const grants = events.filter(({ event }) => event === "granted");
  for (const { event, token, process } of events) {
    if (event === "accepted" || event === "refused") counts[event] += 1;
    if (event !== "refused") continue;
    const isOvertaken = grants.some((grant) => BigInt(grant.token) > BigInt(token));
    if (!isOvertaken) wrong.push(`${process} was refused with the largest token, ${token}`);
  }
  wrong.push(...lockAnomalies(events));
  if (wrong.length > 0) throw new Error(`the lock says otherwise:\n${wrong.join("\n")}`);
};
