import { startService } from "@warp/tests-services/servers";
import type { Answer, Question } from "../question.ts";
import { interleave, type Standing } from "../statistics.ts";
import {
  openByHand,
  openPublishing,
  openRaw,
  openSharedPeers,
  openWarpInvalidating,
  openWarpShared,
  publishingName,
  rawName,
  type SharedSubject,
  warpInvalidatingName,
  warpSharedName,
} from "../subjects/shared.ts";
import type { Value } from "../subjects/subject.ts";

const keys = Array.from({ length: 10_000 }, (_, n) => `user:${n}`);
const callers = 100;
/** A third of a second: what shorter rounds measure is the compiler's work. */
const calls = 60_000;
const peerCalls = 12_000;
const rounds = 9;

type Work = (subject: SharedSubject, key: string, n: number) => Promise<unknown>;

/** Judged by the caller: another promise for each call would be a part of the cost. */
const read: Work = (subject, key) => subject.get(key);

/** A hundred callers, each with its next call as soon as it has an answer. @returns Nanoseconds of wall time a call. */
const crowd = async (subject: SharedSubject, work: Work): Promise<number> => {
  const count = subject.isPeer === true ? peerCalls : calls;
  let next = 0;
  const caller = async (): Promise<void> => {
    // An odd stride visits the keys in no order that a batch could profit from.
    for (let n = next++; n < count; n = next++) {
      const answer = await work(subject, keys[(n * 7_919) % keys.length] as string, n);
      if (answer === undefined && work === read) throw new Error(`${subject.name} lost a key`);
    }
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: callers }, caller));
  return ((performance.now() - began) * 1e6) / count;
};

const write: Work = (subject, key, n) => subject.set(key, { n } satisfies Value);

const fill = async (subject: SharedSubject): Promise<void> => {
  for (let n = 0; n < keys.length; n += callers)
    await Promise.all(keys.slice(n, n + callers).map((key, at) => subject.set(key, { n: n + at })));
};

const measure = (subjects: readonly SharedSubject[], floor: string, work: Work): Promise<Map<string, Standing>> =>
  interleave(
    subjects.map((subject) => ({ name: subject.name, round: () => crowd(subject, work) })),
    floor,
    rounds,
  );

/** How many times as many calls in the same time. */
const rate = (standings: Map<string, Standing>, name: string): number => 1 / (standings.get(name)?.ratio ?? Number.NaN);

const ask = async (): Promise<Answer> => {
  const redis = await startService("redis");
  const nats = await startService("nats");
  const plain: SharedSubject[] = [
    openRaw(redis.url, rawName, false),
    openRaw(redis.url, "ioredis, auto-pipelining", true),
    openByHand(redis.url, 1),
    openWarpShared(redis.url),
    ...openSharedPeers(redis.url),
  ];
  const publishing = [openPublishing(redis.url), await openWarpInvalidating(redis.url, nats.url)];
  for (const subject of [...plain, ...publishing]) await fill(subject);
  const reads = await measure(plain, rawName, read);
  const writes = await measure(plain, rawName, write);
  const told = await measure(publishing, publishingName, write);
  for (const subject of [...plain, ...publishing]) await subject.close();
  await Promise.all([redis.stop(), nats.stop()]);
  const cells = (standings: Map<string, Standing>, name: string): readonly (string | number)[] =>
    standings.has(name) ? [(standings.get(name)?.cost ?? Number.NaN) / 1e3, rate(standings, name)] : ["–", "–"];
  const rows = [...plain, ...publishing].map(
    ({ name }) => [name, ...cells(reads, name), ...cells(writes, name), ...cells(told, name)] as const,
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
  method: `${callers} callers at once over ${keys.length} keys, one connection, Redis on the same machine; no local tier where one can do without (the one by hand has room for one key). Wall time a call, and how many times the calls of ioredis with JSON and a time to live were made in the same time; median of ${rounds} rounds. "Told to others": every write is announced, by PUBLISH or by Warp over NATS.`,
  ask,
};
