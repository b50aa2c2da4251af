import { isDeepStrictEqual } from "node:util";
import type { History, LockEvent } from "@warp/tests-histories";
import { type Check, check } from "./checks.ts";
import { duration, grouped } from "./format.ts";
import type { QuorumLoss, StrongOutcome } from "./strong-act.ts";

/** Nothing is cut while the flags are used: whoever fails then, fails on another's write. */
const leastAnswered = 0.8;

/** @param problems What the checker of histories says. */
export const checkOrder = (operations: History["operations"], problems: readonly string[]): Check => {
  const answered = operations.filter(({ status }) => status === "ok").length;
  return check(
    "every answer about a flag fits one order of all calls",
    `${grouped(operations.length)} calls, read and written on every node, ${grouped(answered)} answered`,
    answered === 0 || answered < leastAnswered * operations.length
      ? [`only ${grouped(answered)} calls were answered`]
      : problems,
  );
};

export const checkLock = (events: readonly LockEvent[]): Check => {
  const count = (event: LockEvent["event"]): number => events.filter((one) => one.event === event).length;
  const [granted, accepted, refused] = [count("granted"), count("accepted"), count("refused")];
  const faults = [
    ...(granted < 2 ? ["the lock was not contended"] : []),
    ...(accepted === 0 ? ["nothing was written under it"] : []),
    ...(refused === 0 ? ["nobody came too late"] : []),
  ];
  const looked = `granted ${grouped(granted)} times, ${grouped(accepted)} writes taken, ${grouped(refused)} refused`;
  return check("who outstays a lock is refused by what it guards", looked, faults);
};

export const checkRefusal = ({ code, codeBeyondTheCut, before, after, answers }: QuorumLoss): Check => {
  const faults = [
    ...(code === "QUORUM_NOT_SATISFIED" ? [] : [`the write ended with ${code ?? "success"}`]),
    // It may know already that it hears nobody.
    ...(codeBeyondTheCut === "QUORUM_NOT_SATISFIED" || codeBeyondTheCut === "UNAVAILABLE"
      ? []
      : [`the write of a node that was cut off ended with ${codeBeyondTheCut ?? "success"}`]),
    ...(isDeepStrictEqual(before, after)
      ? []
      : [`the store holds ${JSON.stringify(after)}, and held ${JSON.stringify(before)}`]),
    ...(answers.length === 0 ? ["nobody was asked"] : []),
    ...answers.flatMap((answer) => (isDeepStrictEqual(answer, after) ? [] : [`a node says ${JSON.stringify(answer)}`])),
  ];
  return check(
    "without a quorum writes are refused, and leave nothing",
    `${grouped(answers.length)} nodes said meanwhile what the store holds`,
    faults,
  );
};

export const checkReturn = ({ backAfterMs }: QuorumLoss): Check =>
  check(
    "with the quorum writes are back",
    backAfterMs === undefined ? "waited in vain" : `the first one ${duration(backAfterMs)} after the cut`,
    backAfterMs === undefined ? ["none was taken"] : [],
  );

/** @param held What each node and the store hold, as text. */
export const checkFlags = (held: ReadonlyMap<string, string>): Check => {
  const stored = held.get("store");
  const faults = [...held].flatMap(([name, values]) =>
    values === stored ? [] : [`${name} has ${values}, the store ${stored}`],
  );
  return check(
    "every node has the flags that the store has",
    `${grouped(held.size - 1)} nodes`,
    held.size < 2 || stored === undefined ? ["nothing was compared"] : faults,
  );
};

/** Everything that has to hold of the strong keys. */
export const strongChecksOf = ({ history, problems, quorum, held }: StrongOutcome): readonly Check[] => [
  checkOrder(history.operations, problems),
  checkLock(history.locks),
  checkRefusal(quorum),
  checkReturn(quorum),
  checkFlags(held),
];
