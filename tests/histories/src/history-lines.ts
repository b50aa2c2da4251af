import type { History, LockEvent, Operation } from "./operation.ts";

/** A history as JSON lines: operations by their beginning, then the events of locks. */
export const encodeHistory = ({ operations, locks }: History): string =>
  [...operations, ...locks].map((line) => `${JSON.stringify(line)}\n`).join("");

const statuses: readonly unknown[] = ["ok", "failed", "unknown"];
const events: readonly unknown[] = ["granted", "released", "accepted", "refused"];

const isOperation = (line: object): line is Operation => {
  const { id, process, steps, status, start } = line as Partial<Operation>;
  const isNamed = Number.isSafeInteger(id) && typeof process === "string";
  return isNamed && Array.isArray(steps) && statuses.includes(status) && typeof start === "number";
};

const isLockEvent = (line: object): line is LockEvent => {
  const { lock, event, token, start, end } = line as Partial<LockEvent>;
  const isNamed = typeof lock === "string" && events.includes(event);
  return isNamed && /^\d+$/.test(String(token)) && typeof start === "number" && typeof end === "number";
};

/** @throws {Error} Naming the line. */
export const decodeHistory = (text: string): History => {
  const operations: Operation[] = [];
  const locks: LockEvent[] = [];
  text.split("\n").forEach((line, index) => {
    if (line.trim() === "") return;
    let parsed: unknown;
    try {
      parsed = JSON.parse(line);
    } catch (cause) {
      throw new Error(`line ${index + 1} is not JSON`, { cause });
    }
    if (typeof parsed === "object" && parsed !== null && isOperation(parsed)) operations.push(parsed);
    else if (typeof parsed === "object" && parsed !== null && isLockEvent(parsed)) locks.push(parsed);
    else throw new Error(`line ${index + 1} is neither an operation nor an event of a lock`);
  });
  return { operations, locks };
};
