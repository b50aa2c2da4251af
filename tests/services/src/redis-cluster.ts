import { cameAbout } from "./processes.ts";
import { askRedis, portOf, redisPlan } from "./redis.ts";
import { type RunningService, type Server, startServer } from "./server.ts";

/** A Redis Cluster of one's own. Its url names all masters, with commas between. */
export interface RedisCluster extends RunningService {
  readonly masters: readonly Server[];
  /** One for each master, in their order. */
  readonly replicas: readonly Server[];
}

const slots = 16_384;
const readyWithinMs = 30_000;

const nodeSettings = [
  ...["--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1", "--cluster-node-timeout", "1000"],
  ...["--cluster-allow-replica-migration", "no", "--cluster-require-full-coverage", "no"],
];

/** The nodes' own view: everybody knows everybody, all slots are served, all replicas are up to date. */
const isComplete = async (nodes: readonly Server[]): Promise<boolean> => {
  for (const node of nodes) {
    const info = await askRedis(portOf(node), "CLUSTER", "INFO");
    const replication = await askRedis(portOf(node), "INFO", "replication");
    if (!info.includes("cluster_state:ok") || !info.includes(`cluster_known_nodes:${nodes.length}\r`)) return false;
    if (replication.includes("role:slave") && !replication.includes("master_link_status:up")) return false;
  }
  return true;
};

const join = async (masters: readonly Server[], replicas: readonly Server[], bus: readonly number[]): Promise<void> => {
  const nodes = [...masters, ...replicas];
  for (const [index, node] of nodes.entries())
    await askRedis(portOf(node), "CLUSTER", "SET-CONFIG-EPOCH", String(index + 1));
  for (const [index, node] of masters.entries()) {
    const [from, end] = [index, index + 1].map((part) => Math.floor((part * slots) / masters.length)) as [
      number,
      number,
    ];
    await askRedis(portOf(node), "CLUSTER", "ADDSLOTSRANGE", String(from), String(end - 1));
  }
  const first = portOf(nodes[0] as Server);
  for (const [index, node] of nodes.entries())
    if (index > 0) await askRedis(first, "CLUSTER", "MEET", "127.0.0.1", String(portOf(node)), String(bus[index]));
  for (const [index, replica] of replicas.entries()) {
    const id = await askRedis(portOf(masters[index] as Server), "CLUSTER", "MYID");
    // Refused until the replica has heard of its master.
    const follows = (): Promise<boolean> =>
      askRedis(portOf(replica), "CLUSTER", "REPLICATE", id).then(
        () => true,
        () => false,
      );
    if (!(await cameAbout(follows, readyWithinMs))) throw new Error("a replica found no master");
  }
};

/** Three masters, and a replica for each where `withReplicas`. */
export const startRedisCluster = async (options: { readonly withReplicas?: boolean } = {}): Promise<RedisCluster> => {
  const plan = await redisPlan("RedisCluster", nodeSettings);
  const bus = new Map<string, number>();
  const count = options.withReplicas === true ? 6 : 3;
  const watched = {
    ...plan,
    url: (place: Parameters<typeof plan.url>[0]): string => {
      const url = plan.url(place);
      bus.set(url, place.ports[1] as number);
      return url;
    },
  };
  const nodes = await Promise.all(Array.from({ length: count }, () => startServer(watched)));
  const stop = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.stop()));
  };
  const [masters, replicas] = [nodes.slice(0, 3), nodes.slice(3)];
  try {
    await join(
      masters,
      replicas,
      nodes.map(({ url }) => bus.get(url) as number),
    );
    if (!(await cameAbout(() => isComplete(nodes), readyWithinMs))) throw new Error("the Redis Cluster did not form");
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: masters.map(({ url }) => url).join(","), masters, replicas, stop };
};
