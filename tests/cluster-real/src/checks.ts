import type { CallLog } from "./cluster.ts";
import { loaderBeganAt } from "./node-calls.ts";
import type { Ending, Operation, Outcome } from "./protocol.ts";

/** What the calls on one key leave to be said about it. */
interface KeyStory {
  /** When the last write that is certain to have taken place was begun. */
  lastWriteBeganAt: number;
  /** The same, of the writes that left a value. */
  lastSetBeganAt: number;
  /** When the last delete ended that is certain to have taken place. */
  lastDeleteEndedAt: number;
  /** Deletes of which nobody knows whether they took place: also those under way. */
  openDeletes: number;
}

type Certainty = "done" | "unknown" | "refused";

interface Written {
  readonly key: string;
  endedAt: number;
  certainty: Certainty;
}

interface Account {
  resolved: number;
  unknown: number;
}

const certaintyOf = (ending: Ending): Certainty => {
  if (ending === undefined) return "done";
  return ending === "OUTCOME_UNKNOWN" ? "unknown" : "refused";
};

const endingOf = ({ ending, endings }: Outcome, key: string): Ending => (endings === undefined ? ending : endings[key]);

/**
 * What every call was and how it ended, and from that, what a key may hold in the end. Every value is written by one
 * call only, and instants are of one clock, so a value tells whether it may still be there.
 */
export class Journal implements CallLog {
  readonly #keys = new Map<string, KeyStory>();
  readonly #written = new Map<string, Written>();
  readonly #accounts = new Map<string, Account>();
  readonly #endings = new Map<string, number>();
  readonly #problems: string[] = [];

  /** How many calls ended how. */
  get endings(): ReadonlyMap<string, number> {
    return this.#endings;
  }

  /** What no fault explains. */
  get problems(): readonly string[] {
    return this.#problems;
  }

  /** Something that must not happen has happened. */
  problem(what: string): void {
    if (this.#problems.length < 50) this.#problems.push(what);
  }

  /** A call is about to be sent. */
  began(operation: Operation): void {
    const unknown = { endedAt: Number.POSITIVE_INFINITY, certainty: "unknown" } as const;
    if (operation.kind === "set") this.#written.set(operation.value, { key: operation.key, ...unknown });
    else if (operation.kind === "setMany" || operation.kind === "transaction")
      for (const [key, value] of operation.entries) this.#written.set(value, { key, ...unknown });
    else if (operation.kind === "add") this.#account(operation.key).unknown += operation.amount;
    else if (operation.kind === "delete") this.#story(operation.key).openDeletes += 1;
  }

  /** It has ended. */
  ended(operation: Operation, outcome: Outcome): void {
    const { ending, startedAt, endedAt, unexpected, lateMs } = outcome;
    const what = `${operation.kind} ${ending ?? "ok"}`;
    this.#endings.set(what, (this.#endings.get(what) ?? 0) + 1);
    if (unexpected !== undefined) this.problem(`${operation.kind}: ${unexpected}`);
    if (lateMs !== undefined)
      this.problem(
        `${operation.kind} ended ${Math.round(lateMs)} ms beyond its deadline (${operation.timeoutMs ?? "none given"}): ${what}`,
      );
    const put = (key: string, value: string): void => {
      const certainty = certaintyOf(endingOf(outcome, key));
      this.#written.set(value, { key, certainty, endedAt: certainty === "done" ? endedAt : Number.POSITIVE_INFINITY });
      if (certainty !== "done") return;
      const story = this.#story(key);
      story.lastWriteBeganAt = Math.max(story.lastWriteBeganAt, startedAt);
      story.lastSetBeganAt = Math.max(story.lastSetBeganAt, startedAt);
    };
    if (operation.kind === "set") put(operation.key, operation.value);
    else if (operation.kind === "setMany" || operation.kind === "transaction")
      for (const [key, value] of operation.entries) put(key, value);
    else if (operation.kind === "add") this.#added(operation.key, operation.amount, certaintyOf(ending));
    else if (operation.kind === "delete") this.#deleted(operation.key, outcome);
  }

  /** Nobody will ever say how it ended: its node is dead. */
  abandoned(operation: Operation): void {
    const what = `${operation.kind} (node killed)`;
    this.#endings.set(what, (this.#endings.get(what) ?? 0) + 1);
  }

  /** What is wrong with `value` as the last thing that `key` holds; `undefined` if it may be there. */
  wrong(key: string, value: string | number | null): string | undefined {
    if (key.startsWith("count:")) return this.#wrongSum(key, Number(value ?? 0));
    const { lastWriteBeganAt, lastSetBeganAt, lastDeleteEndedAt, openDeletes } = this.#story(key);
    if (value === null) {
      const neverSet = lastSetBeganAt === Number.NEGATIVE_INFINITY;
      return neverSet || openDeletes > 0 || lastDeleteEndedAt >= lastSetBeganAt
        ? undefined
        : `${key} is gone, and no delete can have taken it`;
    }
    const beganAt = loaderBeganAt(String(value));
    if (beganAt !== undefined)
      return beganAt >= lastWriteBeganAt
        ? undefined
        : `${key} holds ${value}, loaded before a later write of it was begun: resurrected`;
    const written = this.#written.get(String(value));
    if (written?.key !== key) return `${key} holds ${value}, which nobody wrote there`;
    if (written.certainty === "refused") return `${key} holds ${value}, whose write was refused`;
    return written.endedAt >= lastWriteBeganAt
      ? undefined
      : `${key} holds ${value}, written before a later write of it was begun: resurrected`;
  }

  #wrongSum(key: string, value: number): string | undefined {
    const { resolved, unknown } = this.#account(key);
    return value >= resolved && value <= resolved + unknown
      ? undefined
      : `${key} is ${value}; it must be in [${resolved}, ${resolved + unknown}]`;
  }

  #deleted(key: string, { ending, startedAt, endedAt }: Outcome): void {
    const story = this.#story(key);
    const certainty = certaintyOf(ending);
    if (certainty !== "unknown") story.openDeletes -= 1;
    if (certainty !== "done") return;
    story.lastWriteBeganAt = Math.max(story.lastWriteBeganAt, startedAt);
    story.lastDeleteEndedAt = Math.max(story.lastDeleteEndedAt, endedAt);
  }

  #added(key: string, amount: number, certainty: Certainty): void {
    const account = this.#account(key);
    if (certainty === "unknown") return;
    account.unknown -= amount;
    if (certainty === "done") account.resolved += amount;
  }

  #story(key: string): KeyStory {
    let story = this.#keys.get(key);
    if (story === undefined) {
      const never = Number.NEGATIVE_INFINITY;
      story = { lastWriteBeganAt: never, lastSetBeganAt: never, lastDeleteEndedAt: never, openDeletes: 0 };
      this.#keys.set(key, story);
    }
    return story;
  }

  #account(key: string): Account {
    let account = this.#accounts.get(key);
    if (account === undefined) {
      account = { resolved: 0, unknown: 0 };
      this.#accounts.set(key, account);
    }
    return account;
  }
}
