import { seeded } from "@warp/tests-services/seeded";
import { Journal } from "./checks.ts";
import { Cluster } from "./cluster.ts";
import { type Fault, freezeNode, freezeServer, type Manner, restartServer, spoilLine } from "./faults.ts";
import type { NodeProcess } from "./node-process.ts";
import type { Combination, Values } from "./protocol.ts";
import { Truth } from "./settle.ts";
import type { Site } from "./site.ts";
import { until } from "./until.ts";

export interface InvalidationOptions {
  readonly site: Site;
  readonly combination: Combination;
  readonly seed: number;
  readonly nodes: number;
  /** Keys that are changed in each round. */
  readonly keys: number;
  /** Stops after the round in which so many copies were overtaken. */
  readonly invalidations: number;
  /** Every so many rounds something is broken while the news travels. 0: never. */
  readonly faultEvery: number;
  readonly settlesWithinMs?: number;
  readonly withoutBus?: boolean;
  readonly onRound?: (figures: InvalidationFigures) => void;
}

export interface InvalidationFigures {
  /** Copies that a node held and another node overtook: each one had to go. */
  readonly invalidations: number;
  /** Those that were still served when everything had been healed and settled. */
  readonly lost: number;
  readonly rounds: number;
  readonly faults: number;
  /** The longest that a node went on serving a copy after everything was healed, in ms; 0: none was seen. */
  readonly longestMs: number;
}

const valuesOf = (node: NodeProcess, keys: readonly string[]): Promise<Values> => node.ask({ ask: "values", keys });
const peeksOf = (node: NodeProcess, keys: readonly string[]): Promise<Values> => node.ask({ ask: "peeks", keys });

/** What breaks while the news of a change travels: never the writer, who has to bring its change to the store. */
const faultsFor = (writer: number, victim: number): readonly Fault[] => {
  const manners: readonly Manner[] = ["cut", "drop", "lose requests", "lose replies", "slow"];
  return [
    ...manners.map((manner) => spoilLine("bus", manner, victim)),
    ...manners.map((manner) => spoilLine("bus", manner, writer)),
    freezeNode(victim),
    restartServer("bus"),
    freezeServer("bus"),
  ];
};

/** Lets every node keep a copy of every key. @returns How many each holds. */
const fill = async (nodes: readonly NodeProcess[], keys: readonly string[], expected: Values): Promise<number[]> => {
  const held: number[] = [];
  for (const node of nodes) {
    await valuesOf(node, keys);
    const peeks = await peeksOf(node, keys);
    held.push(peeks.filter((value, at) => value !== null && value === expected[at]).length);
  }
  return held;
};

/** How many keys a node still answers otherwise. */
const staleOn = async (node: NodeProcess, keys: readonly string[], expected: Values): Promise<number> => {
  const values = await valuesOf(node, keys).catch((): Values => []);
  return keys.filter((_, at) => values[at] !== expected[at]).length;
};

/** Changes every key on one node, with trouble on the way if there is to be any. */
const change = async (cluster: Cluster, writer: number, entries: [string, string][], fault?: Fault): Promise<void> => {
  const undo = await fault?.begin(cluster);
  try {
    await cluster.node(writer).ask({ ask: "write", entries });
    // As long as news take to be lost: the frames were sent with the write.
    if (undo !== undefined) await until(() => false, 300, 300);
  } finally {
    await undo?.();
  }
};

/**
 * Rounds in which every node holds a copy of every key, one node changes them all, and every other node must let go of
 * its copies, whatever happens to the bus meanwhile. The TTL is longer than the run: nothing else makes them go.
 * @throws If a node misbehaves otherwise.
 */
export const countInvalidations = async (options: InvalidationOptions): Promise<InvalidationFigures> => {
  const { site, combination, seed, nodes: count, settlesWithinMs = 30_000, withoutBus = false } = options;
  const journal = new Journal();
  const random = seeded(seed);
  const basics = { site, combination, journal, seed, nodes: count, maxEntries: 2 * options.keys, withoutBus };
  const cluster = await Cluster.start(basics);
  const keys = Array.from({ length: options.keys }, (_, at) => `plain:${at}`);
  let figures: InvalidationFigures = { invalidations: 0, lost: 0, rounds: 0, faults: 0, longestMs: 0 };
  try {
    await using truth = await Truth.of(cluster);
    while (figures.invalidations < options.invalidations && figures.lost === 0) {
      const { nodes } = cluster;
      const writer = figures.rounds % nodes.length;
      const held = await fill(nodes, keys, await truth.values(keys));
      const faulty = options.faultEvery > 0 && figures.rounds % options.faultEvery === options.faultEvery - 1;
      const victim = (writer + 1 + Math.floor(random() * (nodes.length - 1))) % nodes.length;
      const kinds = faultsFor(writer, victim);
      const fault = faulty ? kinds[Math.floor(random() * kinds.length)] : undefined;
      const entries = keys.map((key): [string, string] => [key, `${figures.rounds}/${key}`]);
      await change(cluster, writer, entries, fault);
      const expected = entries.map(([, value]) => value);
      let stale = 0;
      const settled = await until(async () => {
        stale = 0;
        for (const node of nodes) stale += await staleOn(node, keys, expected);
        return stale === 0;
      }, settlesWithinMs);
      figures = {
        invalidations: figures.invalidations + held.reduce((a, b, place) => (place === writer ? a : a + b), 0),
        lost: figures.lost + stale,
        rounds: figures.rounds + 1,
        faults: figures.faults + (fault === undefined ? 0 : 1),
        longestMs: Math.max(figures.longestMs, settled ?? settlesWithinMs),
      };
      if (stale > 0) journal.problem(`round ${figures.rounds} (${fault?.name ?? "no fault"}): ${stale} copies stay`);
      options.onRound?.(figures);
    }
    if (journal.problems.length > 0 && figures.lost === 0)
      throw new Error(`seed ${seed}:\n  ${journal.problems.join("\n  ")}`);
    return figures;
  } finally {
    await cluster.stop();
  }
};
