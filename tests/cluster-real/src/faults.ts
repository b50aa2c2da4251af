import type { FaultProxy } from "@warp/tests-services/fault-proxy";
import type { Server } from "@warp/tests-services/servers";
import type { Cluster } from "./cluster.ts";
import type { SitePort } from "./site.ts";

/** Trouble, made at one moment and taken away at another. */
export interface Fault {
  readonly name: string;
  /** Taking it away may wait until other faults are over. Default false: what comes after it waits. */
  readonly endsBeside?: boolean;
  /** @returns What takes it away. */
  begin(cluster: Cluster): Promise<() => Promise<void>> | (() => Promise<void>);
}

/** A fault of a plan, by counts of calls and not by the time, so that a seed means the same on any machine. */
export interface PlannedFault {
  readonly fault: Fault;
  /** How many calls have ended when it begins. */
  readonly at: number;
  /** How many more have ended when it is over; it is over in any case after `mostMs`. */
  readonly calls: number;
  readonly mostMs: number;
}

export type Manner = "cut" | "drop" | "lose requests" | "lose replies" | "slow";

const spoil: Readonly<Record<Manner, (line: FaultProxy) => void>> = {
  cut: (line) => line.cut(),
  drop: (line) => line.drop(),
  "lose requests": (line) => line.halfOpen("toTarget"),
  "lose replies": (line) => line.halfOpen("toClient"),
  slow: (line) => line.latency(30, 60),
};

const mend = (line: FaultProxy): void => {
  line.heal();
  line.latency(0);
};

/** SIGKILL of a node; another one takes its place afterwards, as soon as the servers that it needs are there. */
export const killNode = (node: number): Fault => ({
  name: `kill node ${node}`,
  endsBeside: true,
  begin: async (cluster) => {
    await cluster.kill(node);
    return () => cluster.replace(node);
  },
});

/** SIGSTOP of a node, SIGCONT afterwards. */
export const freezeNode = (node: number): Fault => ({
  name: `freeze node ${node}`,
  begin: (cluster) => {
    cluster.freeze(node);
    return async () => cluster.thaw(node);
  },
});

/** Something happens to one node's line to a server, or to everybody's. */
export const spoilLine = (port: SitePort, manner: Manner, node: number | "every node"): Fault => ({
  name: `${manner} the line of ${node === "every node" ? node : `node ${node}`} to the ${port}`,
  begin: (cluster) => {
    const lines = cluster.linesTo(port, node);
    for (const line of lines) spoil[manner](line);
    return async () => {
      for (const line of lines) mend(line);
    };
  },
});

const oneOf = async (cluster: Cluster, port: SitePort, which: number): Promise<Server> => {
  const servers = await cluster.servers(port);
  return servers[which % servers.length] as Server;
};

/** SIGKILL of a server; it starts again afterwards, with the data that it had on disk. @param which Where there are several. */
export const restartServer = (port: SitePort, which = 0): Fault => ({
  name: `kill server ${which} of the ${port}`,
  begin: async (cluster) => {
    const server = await oneOf(cluster, port, which);
    await server.kill();
    return () => server.restart();
  },
});

/** SIGSTOP of a server, SIGCONT afterwards. */
export const freezeServer = (port: SitePort, which = 0): Fault => ({
  name: `freeze server ${which} of the ${port}`,
  begin: async (cluster) => {
    const server = await oneOf(cluster, port, which);
    await server.freeze();
    return () => server.thaw();
  },
});

/** SIGKILL of the master of Redis: its replica takes its place, with what had reached it. It comes back as a replica. */
export const failOver: Fault = {
  name: "kill the master of Redis",
  begin: async (cluster) => {
    const { master } = await cluster.options.site.sentinel();
    await master.kill();
    return () => master.restart();
  },
};

/** Runs a plan alongside the calls. */
export class FaultRunner {
  readonly #cluster: Cluster;
  readonly #waiting: PlannedFault[];
  #open: { readonly over: number; readonly end: () => Promise<void>; readonly timer: NodeJS.Timeout }[] = [];
  #work: Promise<void> = Promise.resolve();
  readonly #beside: Promise<void>[] = [];
  #ended = 0;
  readonly #story: string[] = [];

  constructor(cluster: Cluster, plan: readonly PlannedFault[]) {
    this.#cluster = cluster;
    this.#waiting = [...plan].sort((a, b) => a.at - b.at);
  }

  /** What was done, in order. */
  get story(): readonly string[] {
    return this.#story;
  }

  /** So many calls have ended in all. */
  reached(calls: number): void {
    this.#ended = calls;
    for (let next = this.#waiting[0]; next !== undefined && next.at <= calls; next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#begin(next);
    }
    for (const { over, end } of this.#open) if (over <= calls) void end();
  }

  /** Takes everything away that is still there; resolves when that is done. @throws If a fault could not be made. */
  async finish(): Promise<void> {
    this.#waiting.length = 0;
    // What was begun meanwhile is in the list only then.
    await this.#work;
    for (const { end } of this.#open) void end();
    await this.#work;
    await Promise.all(this.#beside);
  }

  // One thing at a time: a server that is killed and one that starts are not asked to do both at once.
  #queue(work: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(work);
    // It is `finish` that tells.
    this.#work.catch(() => {});
    return this.#work;
  }

  #begin({ fault, calls, mostMs }: PlannedFault): void {
    void this.#queue(async () => {
      this.#story.push(`after ${this.#ended} calls: ${fault.name}`);
      const undo = await fault.begin(this.#cluster);
      let ending: Promise<void> | undefined;
      const end = (): Promise<void> => {
        ending ??= this.#queue(async () => {
          clearTimeout(entry.timer);
          this.#open = this.#open.filter((other) => other !== entry);
          this.#story.push(`after ${this.#ended} calls: over: ${fault.name}`);
          const over = undo();
          if (fault.endsBeside !== true) return over;
          // It is `finish` that tells.
          over.catch(() => {});
          this.#beside.push(over);
        });
        return ending;
      };
      const entry = { over: this.#ended + calls, end, timer: setTimeout(() => void end(), mostMs) };
      this.#open.push(entry);
    });
  }
}
