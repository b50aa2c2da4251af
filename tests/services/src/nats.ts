import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "./processes.ts";
import { findPrograms } from "./programs.ts";
import { type Place, type RunningService, type Server, type ServerPlan, startServer } from "./server.ts";

/** Several servers that are one cluster. */
export interface NatsCluster extends RunningService {
  /** The addresses of all of them, with commas between. */
  readonly url: string;
  readonly servers: readonly Server[];
}

const findNats = (variable: string, example: string): Promise<string> =>
  findPrograms({
    server: "NATS",
    names: ["nats-server"],
    packages: ["nats-server"],
    // Debian puts it where only root looks.
    folders: ["/usr/sbin"],
    elsewhere: "macOS: brew install nats-server",
    variable,
    example,
  });

/** Whether JetStream is there, and knows its leader in a cluster. Streams of which nobody speaks stay "not current". */
const isHealthy = async ({ ports: [, monitor] }: Place): Promise<boolean> => {
  const response = await fetch(`http://127.0.0.1:${monitor}/healthz?js-server-only=true`).catch(() => undefined);
  await response?.arrayBuffer();
  return response?.ok === true;
};

/** @param configuration Lines of a configuration file, beside the arguments. */
const planOf = (name: string, bin: string, args: readonly string[], configuration: readonly string[]): ServerPlan => ({
  name,
  ports: 2,
  prepare: ({ folder }) => writeFile(join(folder, "nats.conf"), `${configuration.join("\n")}\n`),
  command: ({ folder, ports: [port, monitor] }) => [
    ...[join(bin, "nats-server"), "-a", "127.0.0.1", "-p", String(port), "-m", String(monitor)],
    ...["-js", "-sd", join(folder, "data"), "-c", join(folder, "nats.conf"), ...args],
  ],
  isUp: isHealthy,
  url: ({ ports: [port] }) => `nats://127.0.0.1:${port}`,
});

/**
 * A NATS server of one's own, with JetStream.
 * @param configuration Lines of its configuration file, as `max_payload: 4KB`.
 * @throws If this machine has none and cannot install one.
 */
export const startNats = async (configuration: readonly string[] = []): Promise<Server> => {
  const bin = await findNats("WARP_TEST_NATS_URL", "nats://host:port");
  return startServer(planOf("NATS", bin, [], configuration));
};

/** Three NATS servers with JetStream that are one cluster; each keeps a copy of a stream of three replicas. */
export const startNatsCluster = async (): Promise<NatsCluster> => {
  const bin = await findNats("WARP_TEST_NATS_CLUSTER_URL", "nats://host:port,nats://host:port,nats://host:port");
  const routes = (await Promise.all([freePort(), freePort(), freePort()])).map((port) => `nats://127.0.0.1:${port}`);
  const start = (route: string, index: number): Promise<Server> => {
    const args = ["-n", `node-${index}`, "--cluster_name", "tests", "--cluster", route, "--routes", routes.join(",")];
    return startServer(planOf("NATS-cluster", bin, args, []));
  };
  const starting = await Promise.allSettled(routes.map(start));
  const servers = starting.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
  const stop = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.stop()));
  };
  for (const outcome of starting) {
    if (outcome.status === "fulfilled") continue;
    await stop();
    throw outcome.reason;
  }
  return { url: servers.map(({ url }) => url).join(","), servers, stop };
};
