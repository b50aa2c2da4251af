import type { Answer, Question } from "../question.ts";
import { interleave, processorTime } from "../statistics.ts";
import { openMap } from "../subjects/floors.ts";
import { openPeers } from "../subjects/peers.ts";
import type { Subject, Value } from "../subjects/subject.ts";
import { openTwoTiers, openWarp, twoTiersName, warpName } from "../subjects/warp.ts";

const callers = 10_000;
const rounds = 15;
const floorName = "Map + single flight by hand";

interface Crowd {
  readonly name: string;
  readonly subject: Subject;
  loads: number;
  round: number;
}

/** Ten thousand callers ask at once for a key that nobody holds; the load takes 5 ms. */
const rush = async (crowd: Crowd, size: number = callers): Promise<void> => {
  const key = `cold:${crowd.round++}`;
  const load = async (): Promise<Value> => {
    crowd.loads++;
    await new Promise((resolve) => setTimeout(resolve, 5));
    return { n: 1 };
  };
  const values = await Promise.all(Array.from({ length: size }, () => crowd.subject.getOrSet(key, load)));
  if (values.some((value) => value?.n !== 1)) throw new Error(`${crowd.name} answered wrongly`);
};

const ask = async (): Promise<Answer> => {
  const room = 10_000;
  let commands = 0;
  const twoTiers = openTwoTiers(room, () => commands++);
  const subjects: Subject[] = [openWarp(room), twoTiers, { ...openMap(), name: floorName }, ...openPeers(room)];
  const crowds = subjects.map((subject): Crowd => ({ name: subject.name, subject, loads: 0, round: 0 }));
  // Smaller crowds first, so that compiled code is measured.
  for (const crowd of crowds) {
    const times = crowd.subject.isPeer === true ? 20 : 120;
    for (let round = 0; round < times; round++) await rush(crowd, 1_000);
  }
  const standings = await interleave(
    crowds.map((crowd) => ({ name: crowd.name, round: () => processorTime(() => rush(crowd)) })),
    floorName,
    rounds,
  );
  for (const { subject } of crowds) await subject.close();
  const rows = crowds.map(({ name, loads, round }) => {
    const standing = standings.get(name);
    return [
      name,
      loads / round,
      name === twoTiersName ? commands / round : "–",
      (standing?.cost ?? Number.NaN) / 1e6,
      standing?.ratio ?? Number.NaN,
    ] as const;
  });
  const [warp, tiers] = [warpName, twoTiersName].map((wanted) => rows.find(([name]) => name === wanted));
  return {
    columns: ["", "loads", "commands to the shared tier", "processor time: ms", "× single flight by hand"],
    rows,
    targets: [
      { what: "loads for 10 000 callers of one cold key", value: Number(warp?.[1]), bound: "at most", limit: 1 },
      { what: "their processor time, × single flight by hand", value: Number(warp?.[4]), bound: "at most", limit: 1 },
      { what: "the same, two tiers", value: Number(tiers?.[4]), bound: "at most", limit: 1.2 },
      { what: "commands to the shared tier", value: Number(tiers?.[2]), bound: "at most", limit: 2 },
    ],
  };
};

export const stampede: Question = {
  name: "stampede",
  title: "What does a stampede cost?",
  method: `${callers} callers at once of one key that is not held, loaded in 5 ms; two tiers: with a shared tier in the same process, its reads and puts counted; processor time of the process, median of ${rounds} rounds.`,
  ask,
};
