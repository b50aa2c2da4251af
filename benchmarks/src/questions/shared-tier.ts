import { fileURLToPath } from "node:url";
import { startService } from "@warp/tests-services/servers";
import { Child } from "../child.ts";
import type { Order } from "../contestant.ts";
import type { Answer, Question } from "../question.ts";
import { interleave, type Standing } from "../statistics.ts";
import {
  plainNames,
  publishingName,
  rawName,
  type SharedMeeting,
  warpInvalidatingName,
  warpSharedName,
} from "../subjects/shared.ts";

const program = fileURLToPath(new URL("../contestant.js", import.meta.url));
const rounds = 9;

type Contestants = ReadonlyMap<string, Child<Order>>;

/** Each in a process of its own, with its keys in Redis. */
const start = async (names: readonly string[], meeting: SharedMeeting): Promise<Contestants> => {
  const contestants = new Map<string, Child<Order>>();
  for (const name of names) {
    const contestant = await Child.start<Order>(program, [name, JSON.stringify(meeting)]);
    await contestant.tell({ kind: "fill" });
    contestants.set(name, contestant);
  }
  return contestants;
};

const measure = (contestants: Contestants, floor: string, order: Order): Promise<Map<string, Standing>> =>
  interleave(
    [...contestants].map(([name, contestant]) => ({
      name,
      round: async () => (await contestant.tell(order)) as number,
    })),
    floor,
    rounds,
  );

/** How many times as many calls in the same time. */
const rate = (standings: Map<string, Standing>, name: string): number => 1 / (standings.get(name)?.ratio ?? Number.NaN);

const ask = async (): Promise<Answer> => {
  const redis = await startService("redis");
  const nats = await startService("nats");
  const meeting = { redis: redis.url, nats: nats.url };
  const plain = await start(plainNames, meeting);
  const reads = await measure(plain, rawName, { kind: "read" });
  const writes = await measure(plain, rawName, { kind: "write" });
  const publishing = await start([publishingName, warpInvalidatingName], meeting);
  const told = await measure(publishing, publishingName, { kind: "write" });
  const contestants = new Map([...plain, ...publishing]);
  for (const contestant of contestants.values()) await contestant.end();
  await Promise.all([redis.stop(), nats.stop()]);
  const cells = (standings: Map<string, Standing>, name: string): readonly (string | number)[] =>
    standings.has(name) ? [(standings.get(name)?.cost ?? Number.NaN) / 1e3, rate(standings, name)] : ["–", "–"];
  const rows = [...contestants.keys()].map(
    (name) => [name, ...cells(reads, name), ...cells(writes, name), ...cells(told, name)] as const,
  );
  return {
    columns: ["", "read: µs", "× ioredis", "write: µs", "× ioredis", "write, told to others: µs", "× ioredis"],
    rows,
    targets: [
      { what: "shared-tier reads, × ioredis", value: rate(reads, warpSharedName), bound: "at least", limit: 1.5 },
      { what: "shared-tier writes, × ioredis", value: rate(writes, warpSharedName), bound: "at least", limit: 0.9 },
      {
        what: "set without a store, told to others, × ioredis",
        value: rate(told, warpInvalidatingName),
        bound: "at least",
        limit: 0.95,
      },
    ],
  };
};

export const sharedTier: Question = {
  name: "shared-tier",
  title: "What does the shared tier in Redis cost?",
  method: `Each subject in a process of its own; 100 callers at once over 10 000 keys, one connection, Redis on the same machine; no local tier where one can do without (the one by hand has room for one key). Wall time a call, and how many times the calls of ioredis with JSON and a time to live were made in the same time; median of ${rounds} rounds. "Told to others": every write is announced, by PUBLISH or by Warp over NATS.`,
  ask,
};
