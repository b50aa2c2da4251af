import type { FaultProxy } from "@warp/tests-services/fault-proxy";
import type { Server } from "@warp/tests-services/servers";
import { NodeProcess } from "./node-process.ts";
import type { Combination, FromNode, NodeSettings, Operation, Outcome } from "./protocol.ts";
import type { Lines, Site, SitePort } from "./site.ts";
import { until } from "./until.ts";

/** Takes down what becomes of calls. */
export interface CallLog {
  /** A call is about to be sent to a node. */
  began(operation: Operation, node: string): void;
  ended(operation: Operation, outcome: Outcome): void;
  /** Nobody will ever say how it ended: its node is dead. */
  abandoned(operation: Operation): void;
  /** Something that must not happen has happened. */
  problem(what: string): void;
  /** What a node says of locks. */
  told?(message: FromNode, node: string): void;
}

export interface ClusterOptions {
  readonly site: Site;
  readonly combination: Combination;
  readonly journal: CallLog;
  readonly seed: number;
  readonly nodes: number;
  readonly maxEntries: number;
  readonly exposeGc?: boolean;
  readonly withoutBus?: boolean;
  /** The worker of another release, which every second node runs. */
  readonly olderWorker?: string | undefined;
  /** Further settings of the node that is started as the so-manieth, from 1. */
  readonly settings?: (life: number) => Partial<NodeSettings>;
}

interface Member {
  readonly process: NodeProcess;
  readonly lines: Lines;
  readonly open: Map<number, Operation>;
}

/** Longer than any fault lasts: by then everything is there that a new node needs. */
const startsWithinMs = 60_000;

/** Node processes that form one cluster, each with lines of its own to the servers. */
export class Cluster {
  readonly options: ClusterOptions;
  /** Tells this run's data from that of others. */
  readonly run: string;
  readonly #members: Member[] = [];
  readonly #all: Member[] = [];
  readonly #replacing = new Map<number, Promise<void>>();
  #lives = 0;
  #calls = 0;
  #ended = 0;
  /** Told when calls have ended, with how many have in all. */
  onEnded: (ended: number) => void = () => {};

  private constructor(options: ClusterOptions) {
    this.options = options;
    this.run = `${options.seed}_${Date.now().toString(36)}_${Math.floor(Math.random() * 1e6).toString(36)}`;
  }

  static async start(options: ClusterOptions): Promise<Cluster> {
    const cluster = new Cluster(options);
    try {
      // The first one makes what the others find.
      for (let node = 0; node < options.nodes; node += 1) cluster.#members.push(await cluster.#start());
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  /** The nodes that live, in their places. */
  get nodes(): readonly NodeProcess[] {
    return this.#members.map(({ process }) => process).filter(({ state }) => state !== "dead");
  }

  /** Calls without an outcome. */
  get openCalls(): readonly string[] {
    return this.#members.flatMap(({ process, open }) =>
      [...open.values()].map((operation) => `${process.name}: ${JSON.stringify(operation)}`),
    );
  }

  /** How many calls the node in this place has not ended. */
  openOn(place: number): number {
    return this.#members[place]?.open.size ?? 0;
  }

  /** Whether the node in this place takes calls. */
  takes(place: number): boolean {
    return this.#members[place]?.process.state === "running";
  }

  /** The node in a place. */
  node(place: number): NodeProcess {
    return this.#member(place % this.#members.length).process;
  }

  /** Has the node in a place make calls. */
  send(place: number, operations: readonly Operation[]): void {
    const member = this.#member(place);
    const numbered = operations.map((operation) => {
      this.#calls += 1;
      return { ...operation, id: this.#calls };
    });
    for (const operation of numbered) {
      member.open.set(operation.id, operation);
      this.options.journal.began(operation, member.process.name);
    }
    member.process.perform(numbered);
  }

  /** One more node, of the same cluster. @param maxEntries 0 for one that keeps nothing itself. */
  async join(maxEntries: number): Promise<NodeProcess> {
    return (await this.#start(maxEntries)).process;
  }

  async kill(place: number): Promise<void> {
    const { process, open, lines } = this.#member(place);
    await process.kill();
    for (const operation of open.values()) this.options.journal.abandoned(operation);
    this.#ended += open.size;
    open.clear();
    // Its sockets are closed; what it sent last may still be on its way.
    for (const line of Object.values(lines).flat()) line.heal();
  }

  /** A new node takes the place of a dead one: like a service's supervisor, it starts one again until one stays up. */
  replace(place: number): Promise<void> {
    const replacing = this.#replacing.get(place) ?? this.#replace(place).finally(() => this.#replacing.delete(place));
    this.#replacing.set(place, replacing);
    return replacing;
  }

  freeze(place: number): void {
    this.#member(place).process.freeze();
  }

  thaw(place: number): void {
    this.#member(place).process.thaw();
  }

  linesTo(port: SitePort, place: number | "every node"): readonly FaultProxy[] {
    const members = place === "every node" ? this.#members : [this.#member(place)];
    return members.flatMap(({ lines }) => lines[port] ?? []);
  }

  /** The servers of a port: one, unless they are a cluster. */
  servers(port: SitePort): Promise<readonly Server[]> {
    return this.options.site.servers(port, this.options.combination);
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.#all.map(async ({ process, lines }) => {
        await process.stop();
        await Promise.all(
          Object.values(lines)
            .flat()
            .map((line) => line.stop()),
        );
      }),
    );
  }

  async #replace(place: number): Promise<void> {
    if (this.#member(place).process.state !== "dead") return;
    let failure: unknown;
    const started = async (): Promise<boolean> => {
      try {
        this.#members[place] = await this.#start();
        return true;
      } catch (error) {
        failure = error;
        return false;
      }
    };
    if ((await until(started, startsWithinMs)) === undefined) throw failure;
  }

  #member(place: number): Member {
    const member = this.#members[place];
    if (member === undefined) throw new Error(`there is no node in place ${place}`);
    return member;
  }

  async #start(maxEntries: number = this.options.maxEntries): Promise<Member> {
    const { site, combination, seed, journal, exposeGc = false, withoutBus = false, settings } = this.options;
    this.#lives += 1;
    const node = `n${this.#lives}`;
    const { lines, addresses } = await site.lines(combination, seed + this.#lives);
    const open = new Map<number, Operation>();
    const process = await NodeProcess.start(
      { ...combination, node, addresses, run: this.run, maxEntries, withoutBus, ...settings?.(this.#lives) },
      {
        exposeGc,
        worker: this.#lives % 2 === 0 ? this.options.olderWorker : undefined,
        onOutcomes: (outcomes) => this.#take(open, outcomes),
        onTrouble: (what) => journal.problem(`${node}: ${what}`),
        onTold: (message) => journal.told?.(message, node),
      },
    ).catch(async (error: unknown) => {
      await Promise.all(
        Object.values(lines)
          .flat()
          .map((line) => line.stop()),
      );
      throw error;
    });
    const member = { process, lines, open };
    this.#all.push(member);
    return member;
  }

  #take(open: Map<number, Operation>, outcomes: readonly Outcome[]): void {
    for (const outcome of outcomes) {
      const operation = open.get(outcome.id);
      if (operation === undefined || !open.delete(outcome.id)) continue;
      this.options.journal.ended(operation, outcome);
      this.#ended += 1;
    }
    this.onEnded(this.#ended);
  }
}
