import { loopFor } from "../loop.ts";
import type { Answer, Question } from "../question.ts";
import { interleave, processorTime, type Standing } from "../statistics.ts";
import { openAll } from "../subjects/all.ts";
import { mapName } from "../subjects/floors.ts";
import type { Subject } from "../subjects/subject.ts";
import { warpName } from "../subjects/warp.ts";

const room = 10_000;
const freshKeys = 200_000;
const rounds = 41;
const lruName = "lru-cache, awaited";

const measure = async (subjects: readonly Subject[], keys: readonly string[], floor: string) => {
  const contestants = subjects.map((subject) => {
    const calls = subject.isPeer === true ? 1_000 : 10_000;
    let at = 0;
    return {
      name: subject.name,
      round: async (): Promise<number> => {
        const { written } = await loopFor(`${subject.name}/set/${keys.length}`);
        at = at + calls > keys.length ? 0 : at;
        const some = keys.slice(at, at + calls);
        at += calls;
        return (await processorTime(() => written(subject.set, some))) / calls;
      },
    };
  });
  return interleave(contestants, floor, rounds);
};

const ask = async (): Promise<Answer> => {
  const subjects = openAll(room);
  const held = Array.from({ length: room }, (_, n) => `user:${n}`);
  for (const subject of subjects) for (const name of held) await subject.set(name, { n: 0 });
  const overwrite = await measure(subjects, held, mapName);
  // Other keys than those held, and more of them than fit: every set pushes one out.
  const fresh = Array.from({ length: freshKeys }, (_, n) => `guest:${n}`);
  const bounded = subjects.filter(({ name }) => name !== mapName);
  const full = await measure(bounded, fresh, lruName);
  for (const subject of subjects) await subject.close();
  const cells = ({ cost, ratio }: Standing): number[] => [cost, ratio];
  return {
    columns: ["", "overwrite: ns", "× Map, awaited", "into a full cache: ns", "× lru-cache, awaited"],
    rows: subjects.map(({ name }) => [
      name,
      ...cells(overwrite.get(name) as Standing),
      ...(full.has(name) ? cells(full.get(name) as Standing) : ["–", "–"]),
    ]),
    targets: [
      {
        what: "set, overwriting, × awaited Map",
        value: overwrite.get(warpName)?.ratio ?? Number.NaN,
        bound: "at most",
        limit: 2.5,
      },
      {
        what: "set into a full cache, × awaited lru-cache",
        value: full.get(warpName)?.ratio ?? Number.NaN,
        bound: "at most",
        limit: 1.2,
      },
    ],
  };
};

export const set: Question = {
  name: "set",
  title: "What does a set in memory cost?",
  method: `Room for ${room} entries, all taken; \`set\` awaited one by one; processor time, the collector's included; 10 000 a round (1 000 of peers), median of ${rounds} rounds. A set into a full cache is one of a key that is not held.`,
  ask,
};
