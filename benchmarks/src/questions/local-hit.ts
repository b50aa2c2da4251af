import { loopFor } from "../loop.ts";
import type { Answer, Question } from "../question.ts";
import { interleave, median, processorTime, type Standing } from "../statistics.ts";
import { openAll } from "../subjects/all.ts";
import { mapName } from "../subjects/floors.ts";
import type { Subject, Value } from "../subjects/subject.ts";
import { warpName } from "../subjects/warp.ts";
import { chance, zipf, zipfSkew } from "../traces.ts";

const keyCount = 10_000;
const callsPerRound = 60_000;
/** Of `peek`, which takes so little time that more calls are needed to measure it. */
const directCallsPerRound = 300_000;
/** Of the peers, which are slow enough to be measured on fewer. */
const callsPerRoundOfPeers = 2_000;
const rounds = 15;

const key = (n: number): string => `user:${n}`;
const loaded = async (): Promise<Value> => ({ n: 1 });

const fill = async (subject: Subject): Promise<void> => {
  for (let n = 0; n < keyCount; n++) {
    // Through the loader, so that what has no plain `set` is filled as well.
    await subject.getOrSet(key(n), loaded);
  }
};

type Call = "get" | "getOrSet" | "peek";

/** Medians of the cost of a call in nanoseconds, and of its ratio to the awaited Map's `get` on the same keys. */
const measure = async (
  subjects: readonly Subject[],
  keys: readonly string[],
  call: Call,
): Promise<Map<string, Standing>> => {
  const contestants = await Promise.all(
    subjects.map(async (subject) => {
      const { awaited, direct } = await loopFor(`${subject.name}/${call}`);
      const { get, getOrSet, peek, isPeer } = subject;
      const some = keys.slice(
        0,
        isPeer === true ? callsPerRoundOfPeers : call === "peek" ? keys.length : callsPerRound,
      );
      const run = {
        get: () => awaited(get, some),
        getOrSet: () => awaited((name) => getOrSet(name, loaded), some),
        peek: () => (peek === undefined ? Number.NaN : direct(peek, some)),
      }[call];
      return { name: subject.name, calls: some.length, run };
    }),
  );
  const floorLoop = await loopFor(`floor of ${call}`);
  const floor = subjects.find(({ name }) => name === mapName) as Subject;
  const all = [
    ...contestants,
    { name: "floor", calls: callsPerRound, run: () => floorLoop.awaited(floor.get, keys.slice(0, callsPerRound)) },
  ];
  return interleave(
    all.map(({ name, calls, run }) => ({
      name,
      round: async () => (await processorTime(async () => check(await run()))) / calls,
    })),
    "floor",
    rounds,
  );
};

const check = (sum: number): void => {
  if (sum === 0) throw new Error("nothing was read");
};

/** Bytes allocated per hit: the heap's growth over so few calls that no collection falls among them. */
const bytesPerHit = async (subject: Subject): Promise<number> => {
  const calls = 2_000;
  const keys = new Array<string>(calls).fill(key(7));
  const { awaited } = await loopFor(`${subject.name}/bytes`);
  const growths: number[] = [];
  for (let round = 0; round < 25; round++) {
    const before = process.memoryUsage().heapUsed;
    await awaited(subject.get, keys);
    const growth = process.memoryUsage().heapUsed - before;
    if (growth > 0) growths.push(growth / calls);
  }
  return median(growths);
};

const ask = async (): Promise<Answer> => {
  const subjects = openAll(keyCount);
  for (const subject of subjects) await fill(subject);
  const random = chance(4);
  const draw = zipf(keyCount, zipfSkew, random);
  const one = new Array<string>(directCallsPerRound).fill(key(7));
  const names = Array.from({ length: keyCount }, (_, n) => key(n));
  const many = Array.from({ length: directCallsPerRound }, () => names[draw()] as string);
  const withPeek = subjects.filter(({ peek }) => peek !== undefined);
  const getOne = await measure(subjects, one, "get");
  const getMany = await measure(subjects, many, "get");
  const loadMany = await measure(subjects, many, "getOrSet");
  const peekOne = await measure(withPeek, one, "peek");
  const peekMany = await measure(withPeek, many, "peek");
  const bytes = new Map<string, number>();
  for (const subject of subjects) bytes.set(subject.name, await bytesPerHit(subject));
  for (const subject of subjects) await subject.close();
  const ratio = (standings: Map<string, Standing>, name: string): number | string => standings.get(name)?.ratio ?? "–";
  const of = (standings: Map<string, Standing>): number => standings.get(warpName)?.ratio ?? Number.NaN;
  return {
    columns: [
      "",
      "get, one key: ns",
      "×",
      "get, zipf ×",
      "getOrSet, zipf ×",
      "peek, one key ×",
      "peek, zipf ×",
      "B per get",
    ],
    rows: subjects.map(({ name }) => [
      name,
      getOne.get(name)?.cost ?? "–",
      ratio(getOne, name),
      ratio(getMany, name),
      ratio(loadMany, name),
      ratio(peekOne, name),
      ratio(peekMany, name),
      Math.round(bytes.get(name) ?? Number.NaN),
    ]),
    targets: [
      { what: "get, one key, × awaited Map", value: of(getOne), bound: "at most", limit: 1.5 },
      { what: "bytes per get", value: bytes.get(warpName) ?? Number.NaN, bound: "at most", limit: 320 },
      { what: "getOrSet, 10 000 zipf keys, × awaited Map", value: of(loadMany), bound: "at most", limit: 1.7 },
      { what: "peek, one key, × awaited Map", value: of(peekOne), bound: "at most", limit: 0.2 },
      { what: "peek, zipf, × awaited Map", value: of(peekMany), bound: "at most", limit: 0.4 },
    ],
  };
};

export const localHit: Question = {
  name: "local-hit",
  title: "What does a hit on the local tier cost?",
  method: `${keyCount} keys held; ${callsPerRound} calls a round (${callsPerRoundOfPeers} of peers), awaited one by one; processor time, the collector's included; × is the ratio to \`get\` of a Map behind an async function on the same keys in the same round, median of ${rounds} rounds. Zipf: exponent ${zipfSkew}.`,
  ask,
};
