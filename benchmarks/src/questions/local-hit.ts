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

/** Numbers of keys, in the order in which they are asked for. */
type Trace = readonly number[];

const loaded = async (): Promise<Value> => ({ n: 1 });

/** A subject and its keys: strings of its own, since V8 changes the form of those that others use as names of fields. */
interface Player {
  readonly subject: Subject;
  readonly keys: readonly string[];
}

const prepare = async (subject: Subject): Promise<Player> => {
  const keys = Array.from({ length: keyCount }, (_, n) => `user:${n}`);
  // Through the loader, so that what has no plain `set` is filled as well.
  for (const key of keys) await subject.getOrSet(key, loaded);
  return { subject, keys };
};

const keysOf = ({ keys }: Player, trace: Trace, most: number): readonly string[] =>
  trace.slice(0, most).map((n) => keys[n] as string);

const callsOf = (subject: Subject, call: Call): number => {
  if (call === "peek") return directCallsPerRound;
  return subject.isPeer === true ? callsPerRoundOfPeers : callsPerRound;
};

type Call = "get" | "getOrSet" | "peek";

/** Medians of the cost of a call in nanoseconds, and of its ratio to the awaited Map's `get` on the same keys. */
const measure = async (players: readonly Player[], trace: Trace, call: Call): Promise<Map<string, Standing>> => {
  const contestants = await Promise.all(
    players.map(async (player) => {
      const { subject } = player;
      const { awaited, direct } = await loopFor(`${subject.name}/${call}`);
      const { get, getOrSet, peek } = subject;
      const keys = keysOf(player, trace, callsOf(subject, call));
      const run = {
        get: () => awaited(get, keys),
        getOrSet: () => awaited((name) => getOrSet(name, loaded), keys),
        peek: () => (peek === undefined ? Number.NaN : direct(peek, keys)),
      }[call];
      return { name: subject.name, calls: keys.length, run };
    }),
  );
  const floorLoop = await loopFor(`floor of ${call}`);
  const floor = players.find(({ subject }) => subject.name === mapName) as Player;
  const floorKeys = keysOf(floor, trace, callsPerRound);
  const all = [
    ...contestants,
    { name: "floor", calls: callsPerRound, run: () => floorLoop.awaited(floor.subject.get, floorKeys) },
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
const bytesPerHit = async ({ subject, keys: [first = ""] }: Player): Promise<number> => {
  const calls = 2_000;
  const keys = Array.from({ length: calls }, () => first);
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
  const players: Player[] = [];
  for (const subject of openAll(keyCount)) players.push(await prepare(subject));
  const random = chance(4);
  const draw = zipf(keyCount, zipfSkew, random);
  const one = Array.from({ length: directCallsPerRound }, () => 7);
  const many = Array.from({ length: directCallsPerRound }, draw);
  const withPeek = players.filter(({ subject }) => subject.peek !== undefined);
  const getOne = await measure(players, one, "get");
  const getMany = await measure(players, many, "get");
  const loadMany = await measure(players, many, "getOrSet");
  const peekOne = await measure(withPeek, one, "peek");
  const peekMany = await measure(withPeek, many, "peek");
  const bytes = new Map<string, number>();
  for (const player of players) bytes.set(player.subject.name, await bytesPerHit(player));
  for (const { subject } of players) await subject.close();
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
    rows: players.map(({ subject: { name } }) => [
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
