import { type FaultProxy, startFaultProxy } from "@warp/tests-services/fault-proxy";
import { type Server, services } from "@warp/tests-services/servers";
import type { Addresses, Combination } from "./protocol.ts";

export type SitePort = "bus" | "store" | "cache";

/** The lines of one node: a proxy to each of its servers. */
export type Lines = Readonly<Partial<Record<SitePort, FaultProxy>>>;

type Kind = "nats" | "kafka" | "postgres" | "s3" | "redis";

const kindOf = (port: SitePort, { bus, store }: Combination): Kind => {
  if (port === "bus") return bus;
  if (port === "cache") return "redis";
  return store === "pg" ? "postgres" : "s3";
};

type Sentinel = Awaited<ReturnType<(typeof services)["redis-sentinel"]["start"]>>;

/** The servers that clusters run on, each of our own, since they are hurt. Each is started when it is first asked for. */
export class Site {
  readonly #started = new Map<Kind, Promise<Server>>();
  #sentinel: Promise<Sentinel> | undefined;

  /** The server of a port. */
  server(port: SitePort, combination: Combination): Promise<Server> {
    const kind = kindOf(port, combination);
    const started = this.#started.get(kind) ?? services[kind].start();
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
      lines: { bus: bus.proxy, store: store.proxy, ...(cache && { cache: cache.proxy }) },
      addresses: {
        bus: bus.address,
        store: store.address,
        // A Sentinel sends its clients to the servers themselves: no proxy stands there.
        cache: combination.cache === "memory+sentinel" ? (await this.sentinel()).url : (cache?.address ?? ""),
      },
    };
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#started.values(), this.#sentinel].map(async (server) => (await server)?.stop()));
  }

  async #line(port: SitePort, combination: Combination, seed: number): Promise<{ proxy: FaultProxy; address: string }> {
    const { url } = await this.server(port, combination);
    const target = new URL(url);
    const proxy = await startFaultProxy({ host: target.hostname, port: Number(target.port) }, seed);
    return { proxy, address: proxy.url(url) };
  }
}
