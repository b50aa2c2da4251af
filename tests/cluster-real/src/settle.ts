import { silentLogger, Warp } from "@warp/core";
import type { Journal } from "./checks.ts";
import type { Cluster } from "./cluster.ts";
import { openStore } from "./compose.ts";
import type { NodeProcess } from "./node-process.ts";
import type { Health, Values } from "./protocol.ts";
import { until } from "./until.ts";

/** The longest that agreement may take: a node that vanished, and what it may have sent last, and a busy machine. */
const settlesWithinMs = 90_000;

/** What the store holds, asked past every cache and every proxy. */
export class Truth implements AsyncDisposable {
  readonly warp: Warp;
  readonly #close: () => Promise<void>;

  private constructor(warp: Warp, close: () => Promise<void>) {
    this.warp = warp;
    this.#close = close;
  }

  static async of(cluster: Cluster): Promise<Truth> {
    const { combination } = cluster.options;
    const store = (await cluster.servers("store")).map(({ url }) => url).join(",");
    const { port, close } = await openStore(combination.store, { store }, cluster.run);
    // It judges others: a busy machine must not keep it from that.
    const deadlines = { store: "20s" } as const;
    const warp = new Warp({ store: port, localCache: false, cluster: cluster.run, logger: silentLogger, deadlines });
    warp.register("*", { ttl: "1h" });
    return new Truth(warp, close);
  }

  async values(keys: readonly string[]): Promise<Values> {
    const found = await this.warp.getMany(keys);
    return keys.map((key) => (found.get(key) as string | undefined) ?? null);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.warp.close();
    await this.#close();
  }
}

/** How long a newcomer may be too slow to answer: its code is cold, and the machine may be busy. */
const warmsUpWithinMs = 30_000;

/** What a node says otherwise than the store. @param patienceMs How long it is asked again where it does not answer in time. */
const differences = async (
  node: NodeProcess,
  keys: readonly string[],
  expected: Values,
  patienceMs = 0,
): Promise<readonly string[]> => {
  const say = (): Promise<Values | Error> => node.ask<Values>({ ask: "values", keys }).catch((error: Error) => error);
  let said = await say();
  if (said instanceof Error && patienceMs > 0) {
    const answered = async (): Promise<boolean> => {
      said = await say();
      return !(said instanceof Error);
    };
    await until(answered, patienceMs, 250);
  }
  const values = said;
  if (values instanceof Error) return [`${node.name} cannot say: ${values.message}`];
  return keys.flatMap((key, at) =>
    values[at] === expected[at] ? [] : [`${node.name} says ${values[at]} for ${key}, the store holds ${expected[at]}`],
  );
};

const sumOf = (all: readonly Health[]): Record<string, number> => {
  const sums: Record<string, number> = {};
  for (const { counts } of all)
    for (const [name, value] of Object.entries(counts)) sums[name] = (sums[name] ?? 0) + value;
  return sums;
};

/** Whether a node has told everything it has to tell, and hears. (What it owes the shared tier it pays when it reads.) */
const isAtRest = ({ status }: Health): boolean =>
  status.outbox === 0 && status.dirty === 0 && status.ports.bus !== "down";

/**
 * Waits until every node serves what the store holds for every key, and checks that the store holds what it may.
 * Problems go into the journal.
 */
export const settle = async (
  cluster: Cluster,
  journal: Journal,
  keys: readonly string[],
): Promise<{ readonly settledMs: number; readonly counts: Record<string, number> }> => {
  const { combination } = cluster.options;
  await using truth = await Truth.of(cluster);
  let wrong: readonly string[] = [];
  let health: readonly Health[] = [];
  let before = "";
  const agree = async (): Promise<boolean> => {
    const expected = await truth.values(keys).catch(() => undefined);
    if (expected === undefined) return false;
    health = await Promise.all(cluster.nodes.map((node) => node.ask<Health>({ ask: "health" })));
    wrong = (await Promise.all(cluster.nodes.map((node) => differences(node, keys, expected)))).flat();
    const now = JSON.stringify(expected);
    const stood = now === before;
    before = now;
    return stood && wrong.length === 0 && health.every(isAtRest);
  };
  const settledMs = await until(agree, settlesWithinMs, 250);
  if (settledMs === undefined) {
    for (const line of wrong.slice(0, 20)) journal.problem(`stays wrong: ${line}`);
    for (const { status } of health) journal.problem(`not settled: ${JSON.stringify(status)}`);
  }
  const values = await truth.values(keys);
  keys.forEach((key, at) => {
    const problem = journal.wrong(key, values[at] ?? null);
    if (problem !== undefined) journal.problem(problem);
  });
  // Who comes now sees the shared tier alone, or where there is none, the store.
  const newcomer = await cluster.join(combination.cache === "memory" ? 1_000 : 0);
  const said = await differences(newcomer, keys, values, warmsUpWithinMs);
  for (const line of said.slice(0, 20)) journal.problem(`a newcomer: ${line}`);
  return { settledMs: settledMs ?? settlesWithinMs, counts: sumOf(health) };
};
