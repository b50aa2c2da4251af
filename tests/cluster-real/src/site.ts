import { type FaultProxy, startFaultProxy } from "@warp/tests-services/fault-proxy";
import { type Server, services } from "@warp/tests-services/servers";
import type { Addresses, Combination } from "./protocol.ts";

export type SitePort = "bus" | "store" | "cache";

/** The lines of one node: a proxy to each of its servers. */
export type Lines = Readonly<Partial<Record<SitePort, readonly FaultProxy[]>>>;

type Kind = "nats" | "nats-cluster" | "kafka" | "postgres" | "s3" | "redis";

const kindOf = (port: SitePort, { bus, store }: Combination): Kind => {
  if (port === "bus") return bus;
  if (port === "cache") return "redis";
  return store === "pg" ? "postgres" : "s3";
};

const start = async (kind: Kind): Promise<readonly Server[]> =>
  kind === "nats-cluster" ? (await services[kind].start()).servers : [await services[kind].start()];

type Sentinel = Awaited<ReturnType<(typeof services)["redis-sentinel"]["start"]>>;

/** The servers that clusters run on, each of our own, since they are hurt. Each is started when it is first asked for. */
export class Site {
  readonly #started = new Map<Kind, Promise<readonly Server[]>>();
  #sentinel: Promise<Sentinel> | undefined;

  /** The servers of a port: one, unless they are a cluster. */
  servers(port: SitePort, combination: Combination): Promise<readonly Server[]> {
    const kind = kindOf(port, combination);
    const started = this.#started.get(kind) ?? start(kind);
    this.#started.set(kind, started);
    return started;
  }

  /** A master of Redis and its replica, that takes its place when it dies. */
  sentinel(): Promise<Sentinel> {
    this.#sentinel ??= services["redis-sentinel"].start();
    return this.#sentinel;
  }

  /** New lines to the servers of a combination. @param seed Of their jitter. */
  async lines(combination: Combination, seed: number): Promise<{ lines: Lines; addresses: Addresses }> {
    const [bus, store, cache] = await Promise.all([
      this.#line("bus", combination, seed),
      this.#line("store", combination, seed),
      combination.cache === "memory+redis" ? this.#line("cache", combination, seed) : undefined,
    ]);
    return {
      lines: { bus: bus.proxies, store: store.proxies, ...(cache && { cache: cache.proxies }) },
      addresses: {
        bus: bus.address,
        store: store.address,
        // A Sentinel sends its clients to the servers themselves: no proxy stands there.
        cache: combination.cache === "memory+sentinel" ? (await this.sentinel()).url : (cache?.address ?? ""),
      },
    };
  }

  async stop(): Promise<void> {
    const started = await Promise.all(this.#started.values());
    await Promise.all([...started.flat(), await this.#sentinel].map((server) => server?.stop()));
  }

  async #line(
    port: SitePort,
    combination: Combination,
    seed: number,
  ): Promise<{ proxies: readonly FaultProxy[]; address: string }> {
    const servers = await this.servers(port, combination);
    const proxies: FaultProxy[] = [];
    for (const { url } of servers) {
      const { hostname: host, port: target } = new URL(url);
      proxies.push(await startFaultProxy({ host, port: Number(target) }, seed));
    }
    return { proxies, address: proxies.map((proxy, at) => proxy.url((servers[at] as Server).url)).join(",") };
  }
}
