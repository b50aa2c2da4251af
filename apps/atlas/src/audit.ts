import type { Atlas, Node } from "./bootstrap.ts";
import { type City, cityKey, type Keys } from "./data.ts";
import type { Ledger } from "./ledger.ts";

type Key = Extract<keyof Keys, string>;
type Held = ReadonlyMap<string, unknown>;

/** What the store and the nodes said once everything had come to rest. */
export interface Findings {
  /** What the store holds, for every key that was touched. */
  readonly stored: Held;
  /** What each node answers for them. */
  readonly answers: ReadonlyMap<string, Held>;
  /** How many of the answers came out of the nodes' own caches. */
  readonly fromCaches: number;
  /** The inhabitants of every city, touched or not, by the store. */
  readonly populations: readonly (number | undefined)[];
}

const keysPerRead = 2_000;

const readAll = async (node: Node, keys: readonly Key[]): Promise<Held> => {
  const held = new Map<string, unknown>();
  for (let from = 0; from < keys.length; from += keysPerRead) {
    const part = await node.getMany(keys.slice(from, from + keysPerRead));
    for (const [key, value] of part) held.set(key, value);
  }
  return held;
};

const copiesOf = async (node: Node, keys: readonly Key[]): Promise<number> => {
  const inspections = await Promise.all(keys.map((key) => node.inspect(key)));
  return inspections.filter(({ tier, suspect }) => tier === "local" && !suspect).length;
};

/** Asks the store and every node for everything that was touched, and the store for every city. */
export const audit = async (atlas: Atlas, cities: readonly City[], ledger: Ledger): Promise<Findings> => {
  const touched: Key[] = [...ledger.cities, ...ledger.counts.keys()];
  let fromCaches = 0;
  for (const node of atlas.nodes) fromCaches += await copiesOf(node, touched);
  const answers = new Map<string, Held>();
  for (const node of atlas.nodes) answers.set(node.status().node, await readAll(node, touched));
  const stored = await readAll(atlas.auditor, touched);
  const keys = cities.map(cityKey);
  const all = await readAll(atlas.auditor, keys);
  const populations = keys.map((key) => (all.get(key) as Partial<City> | undefined)?.population);
  return { stored, answers, fromCaches, populations };
};
