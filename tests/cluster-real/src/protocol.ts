import type { NodeStatus } from "@warp/core";
import type { Call, Ended, LockCall, LockEvent } from "@warp/tests-histories";

/** One kind of cluster: what its nodes talk through. */
export interface Combination {
  readonly bus: "nats" | "nats-cluster" | "kafka";
  readonly store: "pg" | "s3";
  readonly cache: "memory" | "memory+redis" | "memory+sentinel";
}

/** The addresses at which one node finds its servers: those of its own proxies. With commas between, where there are several. */
export interface Addresses {
  readonly bus: string;
  readonly store: string;
  /** Unused where the node has no shared tier. */
  readonly cache: string;
}

/** What a node process is told at its start. */
export interface NodeSettings extends Combination {
  readonly node: string;
  readonly addresses: Addresses;
  /** Tells this run's data from that of others on the same servers. */
  readonly run: string;
  /** The size of the local tier; 0 for none, so that the node shows what the shared tier holds. */
  readonly maxEntries: number;
  /** Breaks the node on purpose, to see that the checks notice: it neither tells nor hears of anything. */
  readonly withoutBus?: boolean;
  /** How the keys of `strongPatterns` are kept. Default: strong. */
  readonly mode?: DistributedMode;
  /** How many nodes must acknowledge a strong write. */
  readonly quorum?: number;
  /** By how much the node's wall clock is wrong, in ms. */
  readonly clockOffsetMs?: number;
}

export type DistributedMode = "strong-distributed" | "eventual-distributed";

interface Limited {
  /** Passed as `hardTimeout`, in ms. */
  readonly timeoutMs?: number;
  /** How long the node waits before it makes the call, in ms. */
  readonly afterMs?: number;
}

export type Entries = readonly (readonly [key: string, value: string])[];

/** One call on a node. */
export type Operation = Limited &
  (
    | { readonly kind: "find" | "delete" | "invalidate"; readonly key: string }
    | { readonly kind: "getMany"; readonly keys: readonly string[] }
    /** The loader takes `loadMs` and makes `loader:<value>@<when it began>`. */
    | { readonly kind: "getOrSet"; readonly key: string; readonly value: string; readonly loadMs: number }
    | { readonly kind: "set"; readonly key: string; readonly value: string }
    | { readonly kind: "setMany" | "transaction"; readonly entries: Entries }
    | { readonly kind: "add"; readonly key: string; readonly amount: number }
    /** Grants a lease and attaches the keys; it ends by itself. */
    | { readonly kind: "lease"; readonly keys: readonly string[]; readonly ttlMs: number }
    /** A call that is part of a history. */
    | { readonly kind: "call"; readonly call: Call }
    | { readonly kind: "lock"; readonly lock: LockCall }
  );

export type OperationKind = Operation["kind"];

/** How a call, or its part about one key, ended: `undefined` well, else the code of its error. */
export type Ending = string | undefined;

/** What became of an operation. Instants are milliseconds of the machine's monotonic clock, the same in every process. */
export interface Outcome {
  readonly id: number;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly ending: Ending;
  /** The error's message, where it is not one that faults explain. */
  readonly unexpected?: string;
  /** For calls on many keys: those that failed. */
  readonly endings?: Readonly<Record<string, string>>;
  /** For a call of a history: how each of its parts ended. */
  readonly parts?: readonly Ended[];
  /** By how much it outlived its deadline, in ms, not counting what the process stood still. */
  readonly lateMs?: number;
}

/** What a node can be asked. */
export type Question =
  | { readonly ask: "values" | "peeks"; readonly keys: readonly string[] }
  /** As `setMany`, tried again until the store has taken it. */
  | { readonly ask: "write"; readonly entries: Entries }
  | { readonly ask: "health" }
  | { readonly ask: "revoke"; readonly lease: string }
  | { readonly ask: "grant"; readonly keys: readonly string[]; readonly ttlMs: number }
  /** Reads and writes that many keys that no node has seen, and says what is then in use. */
  | { readonly ask: "churn"; readonly from: number; readonly count: number }
  | { readonly ask: "close" };

/** `null` where there is nothing: `undefined` does not travel. */
export type Values = readonly (string | number | null)[];

export interface Health {
  readonly status: NodeStatus;
  /** After a collection where the process can ask for one. */
  readonly heapBytes: number;
  /** Values of the metrics that count something, by name and labels. */
  readonly counts: Readonly<Record<string, number>>;
  /** The last warnings and errors that the node logged, and how many there were of each. */
  readonly logged: Readonly<Record<string, number>>;
}

export type ToNode =
  | { readonly type: "operations"; readonly operations: readonly (Operation & { readonly id: number })[] }
  | { readonly type: "question"; readonly id: number; readonly question: Question };

export type FromNode =
  | { readonly type: "ready" }
  | { readonly type: "outcomes"; readonly outcomes: readonly Outcome[] }
  /** A lock was granted or let go. */
  | { readonly type: "lock"; readonly event: Omit<LockEvent, "process"> }
  /** A write to what a lock guards. */
  | { readonly type: "guarded"; readonly lock: string; readonly token: string }
  | { readonly type: "answer"; readonly id: number; readonly answer: unknown }
  | { readonly type: "refusal"; readonly id: number; readonly reason: string }
  /** What must never happen: a rejection nobody handled, an exception nobody caught. */
  | { readonly type: "trouble"; readonly what: string };

/** Milliseconds of the machine's monotonic clock. */
export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;
