import type { Calls } from "./calls.ts";
import type { Cluster, ClusterNode } from "./cluster.ts";
import type { SeededRandom } from "./seeded-random.ts";

export type TroubleKind =
  | "partition"
  | "loss"
  | "disorder"
  | "cut"
  | "publishing"
  | "store"
  | "shared"
  | "rollback"
  | "freeze"
  | "clock"
  | "crash"
  | "leave";

export interface ChaosOptions {
  readonly cluster: Cluster;
  readonly chance: SeededRandom;
  readonly note: (text: string) => void;
  /** Which troubles there may be. Default: all. */
  readonly kinds?: readonly TroubleKind[];
  /** The longest that a trouble lasts, in milliseconds. Default 4 000. */
  readonly longestMs?: number;
  /** Told of what nodes do of themselves. */
  readonly calls?: Calls;
  /** Told of a node that began in place of one that crashed. */
  readonly onRestart?: (node: ClusterNode) => void;
}

type Trouble = (options: ChaosOptions, node: ClusterNode, lastMs: number) => Promise<void>;

const rarely = (chance: SeededRandom): number => chance.pick([0.1, 0.3, 0.7]);

/** What goes wrong for a while, and then is over. */
const troubles: Readonly<Record<TroubleKind, Trouble>> = {
  /** A cut in one direction between two nodes. */
  partition: async ({ cluster, chance }, node, lastMs) => {
    const other = chance.pick(cluster.live);
    const before = cluster.lost;
    cluster.lost = (delivery) =>
      (delivery.from === node.name && delivery.to === other.name) || before?.(delivery) === true;
    await cluster.scheduler.delay(lastMs);
    cluster.lost = undefined;
  },
  loss: async ({ cluster, chance }, node, lastMs) => {
    const share = rarely(chance);
    cluster.lost = ({ from }) => from === node.name && chance.next() < share;
    await cluster.scheduler.delay(lastMs);
    cluster.lost = undefined;
  },
  disorder: async ({ cluster, chance }, _, lastMs) => {
    const share = rarely(chance);
    const { faults } = cluster.network;
    faults.delayMs = () => (chance.next() < share ? chance.next() * 2_000 : 0);
    faults.duplicate = () => chance.next() < share;
    await cluster.scheduler.delay(lastMs);
    faults.delayMs = undefined;
    faults.duplicate = undefined;
  },
  cut: async ({ cluster }, { name }, lastMs) => {
    cluster.network.disconnect(name);
    await cluster.scheduler.delay(lastMs);
    cluster.network.reconnect(name);
  },
  publishing: async ({ cluster, chance }, { bus }, lastMs) => {
    bus.loseRequest = rarely(chance);
    bus.loseReply = rarely(chance);
    await cluster.scheduler.delay(lastMs);
    bus.loseRequest = 0;
    bus.loseReply = 0;
  },
  store: async ({ cluster, chance }, { store }, lastMs) => {
    store.loseRequest = rarely(chance);
    store.loseReply = rarely(chance);
    store.silent = chance.next() < 0.3;
    store.maxMs = chance.pick([5, 500]);
    await cluster.scheduler.delay(lastMs);
    store.loseRequest = 0;
    store.loseReply = 0;
    store.maxMs = 5;
  },
  shared: async ({ cluster, chance }, { shared }, lastMs) => {
    shared.loseRequest = rarely(chance);
    shared.loseReply = rarely(chance);
    shared.maxMs = chance.pick([5, 200]);
    await cluster.scheduler.delay(lastMs);
    shared.loseRequest = 0;
    shared.loseReply = 0;
    shared.maxMs = 5;
  },
  /** The shared tier goes back to an earlier state, as a failover to a lagging replica does; each node is told in its time. */
  rollback: async ({ cluster, chance }, _, lastMs) => {
    const restore = cluster.sharedData.snapshot();
    await cluster.scheduler.delay(lastMs);
    restore();
    for (const { sharedCache } of cluster.live) {
      sharedCache?.disconnect();
      await cluster.scheduler.delay(chance.next() * 300);
      sharedCache?.reconnect();
    }
  },
  freeze: async ({ cluster }, { clock }, lastMs) => {
    if (clock.state !== "running") return;
    cluster.scheduler.freeze(clock);
    await cluster.scheduler.delay(2 * lastMs);
    cluster.scheduler.thaw(clock);
  },
  clock: async ({ chance }, { clock }) => {
    clock.setSkew(chance.integer(-3_600_000, 3_600_000));
  },
  /** A node closes while it is at work; its calls end, and then its process. */
  leave: async ({ cluster, chance, calls, onRestart }, node, lastMs) => {
    if (cluster.live.length < 3 || node.warp.status().state !== "open") return;
    let isOver = false;
    const end = async (): Promise<void> => {
      await calls?.watch(node, "close", node.warp.close());
      // What was under way when it closed has until then to end.
      await cluster.scheduler.delay(3_000, node.clock);
      calls?.requireEnded(node);
      isOver = true;
    };
    void end();
    // It may crash while it closes.
    while (!isOver && node.clock.state !== "crashed") await cluster.scheduler.delay(100);
    cluster.crash(node);
    await cluster.scheduler.delay(lastMs);
    if (chance.next() < 0.5) return;
    cluster.network.reconnect(node.name);
    onRestart?.(cluster.start(node.name));
  },
  crash: async ({ cluster, chance, onRestart }, node, lastMs) => {
    if (cluster.live.length < 3) return;
    cluster.crash(node);
    await cluster.scheduler.delay(lastMs);
    if (chance.next() < 0.5) return;
    cluster.network.reconnect(node.name);
    onRestart?.(cluster.start(node.name));
  },
};

/** `count` troubles, one after another or at once, on nodes of a seed's choice. Resolves when the last one is over. */
export const makeTrouble = async (options: ChaosOptions, count: number): Promise<void> => {
  const { cluster, chance, note, kinds = Object.keys(troubles) as TroubleKind[], longestMs = 4_000 } = options;
  const open: Promise<void>[] = [];
  for (let index = 0; index < count; index++) {
    await cluster.scheduler.delay(chance.next() * 2_000);
    const kind = chance.pick(kinds);
    const node = chance.pick(cluster.live);
    const lastMs = chance.next() * longestMs;
    note(`${kind} of ${node.name} for ${lastMs.toFixed(0)} ms`);
    const trouble = troubles[kind](options, node, lastMs);
    if (chance.next() < 0.5) await trouble;
    else open.push(trouble);
  }
  await Promise.all(open);
};
