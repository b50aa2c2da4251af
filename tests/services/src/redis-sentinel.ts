import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cameAbout } from "./processes.ts";
import { askRedis, portOf, redisPlan } from "./redis.ts";
import { type RunningService, type Server, startServer } from "./server.ts";

/** A master and its replica, watched by one Sentinel. Its url is the Sentinel's, with the master's name as its path. */
export interface RedisSentinel extends RunningService {
  readonly masterName: string;
  /** At the start: a failover makes it the replica. */
  readonly master: Server;
  readonly replica: Server;
  readonly sentinel: Server;
}

const masterName = "warp";
const readyWithinMs = 30_000;

const startSentinel = async (masterPort: number): Promise<Server> => {
  const plan = await redisPlan("RedisSentinel");
  const file = (folder: string): string => join(folder, "sentinel.conf");
  return startServer({
    ...plan,
    prepare: ({ folder, ports: [port] }) =>
      writeFile(
        file(folder),
        [
          ...[`port ${port}`, "bind 127.0.0.1", `dir ${folder}`],
          `sentinel monitor ${masterName} 127.0.0.1 ${masterPort} 1`,
          `sentinel down-after-milliseconds ${masterName} 500`,
          `sentinel failover-timeout ${masterName} 2000`,
        ].join("\n"),
      ),
    command: (place) => [plan.command(place)[0] as string, file(place.folder), "--sentinel"],
    url: (place) => `${plan.url(place)}/${masterName}`,
  });
};

export const startRedisSentinel = async (): Promise<RedisSentinel> => {
  const plan = await redisPlan("Redis");
  const [master, replica] = (await Promise.all([startServer(plan), startServer(plan)])) as [Server, Server];
  const started = [master, replica];
  const stop = async (): Promise<void> => {
    await Promise.all(started.map((server) => server.stop()));
  };
  try {
    await askRedis(portOf(replica), "REPLICAOF", "127.0.0.1", String(portOf(master)));
    const sentinel = await startSentinel(portOf(master));
    started.push(sentinel);
    const isReady = async (): Promise<boolean> =>
      (await askRedis(portOf(replica), "INFO", "replication")).includes("master_link_status:up") &&
      (await askRedis(portOf(sentinel), "INFO", "sentinel")).includes("slaves=1");
    if (!(await cameAbout(isReady, readyWithinMs))) throw new Error("Sentinel did not find the replica");
    return { url: sentinel.url, masterName, master, replica, sentinel, stop };
  } catch (error) {
    await stop();
    throw error;
  }
};
