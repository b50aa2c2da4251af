// A process of the question "shared-tier": one subject and nothing else. Arguments: subject, meeting.
import type { Closing } from "./child.ts";
import { type SharedMeeting, type SharedSubject, sharedSubjects } from "./subjects/shared.ts";
import type { Value } from "./subjects/subject.ts";

export type Order =
  | { readonly kind: "fill" }
  /** A round; answered with nanoseconds of wall time a call. */
  | { readonly kind: "read" | "write" };

const callers = 100;
/** A third of a second: what shorter rounds measure is the compiler's work. */
const calls = 60_000;
const peerCalls = 12_000;

const keys = Array.from({ length: 10_000 }, (_, n) => `user:${n}`);

type Work = (subject: SharedSubject, key: string, n: number) => Promise<unknown>;

/** Judged by the caller: another promise for each call would be a part of the cost. */
const read: Work = (subject, key) => subject.get(key);

const write: Work = (subject, key, n) => subject.set(key, { n } satisfies Value);

/** A hundred callers, each with its next call as soon as it has an answer. */
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

const fill = async (subject: SharedSubject): Promise<void> => {
  for (let n = 0; n < keys.length; n += callers)
    await Promise.all(keys.slice(n, n + callers).map((key, at) => subject.set(key, { n: n + at })));
};

const obey = async (subject: SharedSubject, order: Order | Closing): Promise<unknown> => {
  switch (order.kind) {
    case "fill":
      return fill(subject);
    case "read":
      return crowd(subject, read);
    case "write":
      return crowd(subject, write);
    case "close":
      await subject.close();
      process.exit(0);
  }
};

const [, , name = "", meeting = ""] = process.argv;
const subject = await sharedSubjects[name]?.(JSON.parse(meeting) as SharedMeeting);
if (subject === undefined) throw new Error(`no such subject: ${name}`);
process.on(
  "message",
  (order: Order | Closing) => void obey(subject, order).then((answer) => process.send?.({ answer })),
);
process.send?.({ answer: "ready" });
