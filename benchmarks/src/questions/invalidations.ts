import { MemoryBus, MemoryCache, MemoryNetwork, MemoryStore, MemoryStoreData, Warp } from "@warp/core";
import type { Answer, Question } from "../question.ts";
import { median } from "../statistics.ts";
import { lifeMs, type Value } from "../subjects/subject.ts";

const keys = Array.from({ length: 20_000 }, (_, n) => `user:${n}`);
const rounds = 7;

type Node = Warp<Record<string, Value>>;

const openNode = (network: MemoryNetwork, data: MemoryStoreData): { node: Node; cache: MemoryCache } => {
  const cache = new MemoryCache();
  const node: Node = new Warp({ localCache: cache, store: new MemoryStore({ data }), bus: new MemoryBus(network) });
  node.register("user:*", { mode: "eventual-distributed", ttl: lifeMs });
  return { node, cache };
};

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Pace {
  /** Keys per second, from the first call until the last copy has left the other node. */
  readonly wall: number;
  /** Keys per second of processor time, both nodes' together. */
  readonly processor: number;
}

const invalidateAll = async (writer: Node, held: MemoryCache): Promise<Pace> => {
  const usedBefore = process.cpuUsage();
  const began = performance.now();
  await Promise.all(keys.map((key) => writer.invalidate(key)));
  while (held.stats.entries > 0) {
    if (performance.now() - began > 20_000) throw new Error(`${held.stats.entries} copies stay`);
    await turn();
  }
  const wallMs = performance.now() - began;
  const { user, system } = process.cpuUsage(usedBefore);
  return { wall: (keys.length * 1e3) / wallMs, processor: (keys.length * 1e6) / (user + system) };
};

const ask = async (): Promise<Answer> => {
  const network = new MemoryNetwork();
  const data = new MemoryStoreData();
  const writer = openNode(network, data);
  const reader = openNode(network, data);
  await Promise.all([writer.node.ready(), reader.node.ready()]);
  await writer.node.setMany(keys.map((key, n) => [key, { n }] as const));
  const paces: Pace[] = [];
  for (let round = -1; round < rounds; round++) {
    await reader.node.getMany(keys);
    if (reader.cache.stats.entries !== keys.length) throw new Error("the reader holds too few copies");
    const pace = await invalidateAll(writer.node, reader.cache);
    if (round >= 0) paces.push(pace);
  }
  for (const { node, cache } of [writer, reader]) {
    await node.close();
    cache.close();
  }
  const rate = median(paces.map(({ wall }) => wall));
  const processorRate = median(paces.map(({ processor }) => processor));
  return {
    columns: ["", "keys per second", "per second of processor time"],
    rows: [["Warp, two nodes on a MemoryBus", rate, processorRate]],
    targets: [{ what: "keys invalidated per second, batched", value: rate, bound: "at least", limit: 100_000 }],
  };
};

export const invalidations: Question = {
  name: "invalidations",
  title: "How many keys can be invalidated per second?",
  method: `${keys.length} keys held by another node; \`invalidate\` of each at once, until the last copy has left that node; median of ${rounds} rounds. The bus is that of one process: what is measured is Warp, not a network. No peer is here: each of them needs a server for its bus.`,
  ask,
};
