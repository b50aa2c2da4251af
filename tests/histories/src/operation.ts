/** What a key holds: `null` for nothing. Compared as JSON, so that a history read from a file is the same history. */
export type Value = null | boolean | number | string | readonly Value[];

/**
 * One step on one key. The steps of an operation take place in their order, and all at one instant.
 * `value` is what was seen; where it is left out, nobody knows what was seen (an operation that did not answer).
 */
export type Step =
  | { readonly kind: "read"; readonly key: string; readonly value?: Value }
  /** `null` removes the key. `existed`: whether the caller was told that there was a value. */
  | { readonly kind: "write"; readonly key: string; readonly value: Value; readonly existed?: boolean }
  /** A sum, where nothing counts as 0. `value`: what the caller was told that the key holds then. */
  | { readonly kind: "add"; readonly key: string; readonly amount: number; readonly value?: number }
  /** Takes place only where the key holds `expected`; one that was told to have failed on that is a read of something else. */
  | { readonly kind: "swap"; readonly key: string; readonly expected: Value; readonly value: Value }
  /** The key held something else than `other`. */
  | { readonly kind: "differs"; readonly key: string; readonly other: Value }
  /** Puts `value` where there is nothing; `result`: what the caller was told that the key holds then. */
  | { readonly kind: "create"; readonly key: string; readonly value: Value; readonly result?: Value };

/**
 * How an operation ended. `ok`: it took place between its start and its end. `failed`: it certainly did not.
 * `unknown`: it crashed, was aborted or ended without an answer, and may take place at any moment after its start, or never.
 */
export type Status = "ok" | "failed" | "unknown";

/** One call, as one line of a history. */
export interface Operation {
  readonly id: number;
  /** The node or process that made it. */
  readonly process: string;
  /** For people: the public call. */
  readonly call: string;
  readonly steps: readonly Step[];
  readonly status: Status;
  /** In milliseconds of a clock that all processes share. */
  readonly start: number;
  /** `null` where there never was an answer. */
  readonly end: number | null;
  /** The error's code, where there was one. */
  readonly error?: string;
}

/** A lock that was granted or let go, or what a resource made of a write under one. */
export interface LockEvent {
  readonly lock: string;
  readonly process: string;
  readonly event: "granted" | "released" | "accepted" | "refused";
  /** The fencing token, in decimal digits. */
  readonly token: string;
  /** A grant took place between these. A release may have from `start` on. */
  readonly start: number;
  readonly end: number;
  /** How long it was granted for at least, in milliseconds of the same clock. */
  readonly ttlMs?: number;
}

export interface History {
  readonly operations: readonly Operation[];
  readonly locks: readonly LockEvent[];
}

export const sameValue = (a: Value | undefined, b: Value | undefined): boolean =>
  a === b || (typeof a === "object" && typeof b === "object" && JSON.stringify(a) === JSON.stringify(b));

/** The keys that an operation is about. */
export const keysOf = ({ steps }: Operation): readonly string[] => [...new Set(steps.map(({ key }) => key))];

/** An operation in a few words. */
export const describeOperation = ({ id, process, call, steps, status, start, end, error }: Operation): string => {
  const told = steps.map((step) => {
    if (step.kind === "read") return `${step.key} = ${JSON.stringify(step.value)}`;
    if (step.kind === "add") return `${step.key} += ${step.amount} → ${step.value ?? "?"}`;
    if (step.kind === "swap") return `${step.key}: ${JSON.stringify(step.expected)} → ${JSON.stringify(step.value)}`;
    if (step.kind === "differs") return `${step.key} ≠ ${JSON.stringify(step.other)}`;
    if (step.kind === "create") return `${step.key} ?= ${JSON.stringify(step.value)} → ${JSON.stringify(step.result)}`;
    return `${step.key} := ${JSON.stringify(step.value)}`;
  });
  const ended = status === "ok" ? "" : ` (${status}${error === undefined ? "" : ` ${error}`})`;
  const until = end === null ? "…" : end.toFixed(1);
  return `#${id} ${process} ${call} ${told.join(", ")}${ended} [${start.toFixed(1)}, ${until}]`;
};
