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

const readAll = async (node: Node, keys: readonly Key[], keysPerRead: number): Promise<Map<string, unknown>> => {
  const held = new Map<string, unknown>();
  for (let from = 0; from < keys.length; from += keysPerRead) {
    const part = await node.getMany(keys.slice(from, from + keysPerRead));
    for (const [key, value] of part) held.set(key, value);
  }
  return held;
};

/** First what the node would serve from its cache: reading the rest pushes entries out of it. */
const answersOf = async (
  node: Node,
  keys: readonly Key[],
  keysPerRead: number,
): Promise<{ held: Held; cached: number }> => {
  const cached = new Map<string, unknown>();
  for (const key of keys) {
    const value = node.peek(key);
    if (value !== undefined) cached.set(key, value);
  }
  const others = await readAll(
    node,
    keys.filter((key) => !cached.has(key)),
    keysPerRead,
  );
  return { held: new Map([...cached, ...others]), cached: cached.size };
};

/** Asks the store and every node for everything that was touched, and the store for every city. */
export const audit = async (atlas: Atlas, cities: readonly City[], ledger: Ledger): Promise<Findings> => {
  const touched: Key[] = [...ledger.cities, ...ledger.counts.keys()];
  const answers = new Map<string, Held>();
  let fromCaches = 0;
  for (const node of atlas.nodes) {
    const { held, cached } = await answersOf(node, touched, atlas.keysPerCall);
    answers.set(node.status().node, held);
    fromCaches += cached;
  }
  const stored = await readAll(atlas.auditor, touched, atlas.keysPerCall);
  const keys = cities.map(cityKey);
  const all = await readAll(atlas.auditor, keys, atlas.keysPerCall);
  const populations = keys.map((key) => (all.get(key) as Partial<City> | undefined)?.population);
  return { stored, answers, fromCaches, populations };
};
