import { startService } from "@warp/tests-services/servers";
import type { Answer, Question } from "../question.ts";
import { interleave, type Standing } from "../statistics.ts";
import { byHandName, connections, openPostgres, type PostgresSubject, storeName } from "../subjects/postgres.ts";
import type { Value } from "../subjects/subject.ts";

const rounds = 9;
const warmUpRounds = 2;
const readsARound = 400;
/** A quarter of a second, as the reads take: what shorter rounds measure is the compiler's work. */
const commitsARound = 2_000;
const keysARead = 100;

const lists = Array.from({ length: 40 }, (_, list) => Array.from({ length: keysARead }, (_, n) => `list-${list}:${n}`));

/** As many callers as connections. @returns Nanoseconds of wall time a call. */
const crowd = async (count: number, call: (n: number) => Promise<unknown>): Promise<number> => {
  let next = 0;
  const caller = async (): Promise<void> => {
    for (let n = next++; n < count; n = next++) await call(n);
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: connections }, caller));
  return ((performance.now() - began) * 1e6) / count;
};

const read = (subject: PostgresSubject) => (): Promise<number> =>
  crowd(readsARound, async (n) => {
    const found = await subject.getMany(lists[n % lists.length] as readonly string[]);
    if (found !== keysARead) throw new Error(`${subject.name} answered wrongly`);
  });

/** Each call makes a record that was not there. */
const createIn = (subject: PostgresSubject, keyOf: (n: number) => string): (() => Promise<number>) => {
  let made = 0;
  return () => crowd(commitsARound, (n) => subject.create(keyOf(made++), { n }));
};

const newKey = (subject: string, n: number): string => `new:${subject}:${n}`;

const ask = async (): Promise<Answer> => {
  const postgres = await startService("postgres");
  const creations = new Map<string, Value>();
  for (let n = 0; n < (rounds + warmUpRounds) * commitsARound; n++) creations.set(newKey(byHandName, n), { n });
  const { subjects, close } = await openPostgres(postgres.url, lists, creations);
  const reads = await interleave(
    subjects.map((subject) => ({ name: subject.name, round: read(subject) })),
    byHandName,
    rounds,
  );
  const writes = await interleave(
    subjects.map((subject) => ({
      name: subject.name,
      round: createIn(subject, (n) => newKey(subject.name, n)),
    })),
    byHandName,
    rounds,
  );
  await close();
  await postgres.stop();
  const rate = (standings: Map<string, Standing>, name: string): number =>
    1 / (standings.get(name)?.ratio ?? Number.NaN);
  return {
    columns: ["", "getMany: µs", "× by hand", "commit: µs", "× by hand"],
    rows: subjects.map(({ name }) => [
      name,
      (reads.get(name)?.cost ?? Number.NaN) / 1e3,
      rate(reads, name),
      (writes.get(name)?.cost ?? Number.NaN) / 1e3,
      rate(writes, name),
    ]),
    targets: [
      {
        what: "PostgreSQL getMany, × the same SQL by hand",
        value: rate(reads, storeName),
        bound: "at least",
        limit: 0.9,
      },
      {
        what: "PostgreSQL commit, × the same SQL by hand",
        value: rate(writes, storeName),
        bound: "at least",
        limit: 0.9,
      },
    ],
  };
};

export const postgres: Question = {
  name: "postgres",
  title: "What does the store in PostgreSQL cost?",
  method: `${connections} callers on ${connections} connections, PostgreSQL on the same machine with fsync off; getMany of ${keysARead} records, and a commit that creates one. By hand: the very statements that the store sends, with values made beforehand, through pg's pool. Wall time a call, and how many times the calls by hand were made in the same time; median of ${rounds} rounds.`,
  ask,
};
