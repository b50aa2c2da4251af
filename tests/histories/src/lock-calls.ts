import { type Lock, type Warp, WarpError } from "@warp/core";
import type { LockEvent } from "./operation.ts";

/** Takes a lock, writes to what it guards, with pauses that may outlast the lock, and lets go. */
export interface LockCall {
  readonly key: string;
  readonly ttl: number;
  /** How long to wait for it, in ms. */
  readonly hardTimeout: number;
  /** How long to pause before each write, in ms. */
  readonly pauses: readonly number[];
  /** Renewed before each write but the first. */
  readonly isRenewed: boolean;
}

export interface LockTools {
  /** Milliseconds of a clock that all processes share. */
  readonly now: () => number;
  readonly pause: (ms: number) => Promise<void>;
  /** Told of what is to be in the history as soon as it is known: the process may end any moment. */
  readonly onEvent: (event: Omit<LockEvent, "process">) => void;
  /** Writes to what the lock guards, which takes or refuses it. */
  readonly write: (lock: string, token: bigint) => Promise<void>;
}

const guarded = async (held: Lock, call: LockCall, { pause, write }: LockTools): Promise<void> => {
  for (const [index, ms] of call.pauses.entries()) {
    await pause(ms);
    if (call.isRenewed && index > 0) await held.renew();
    // Whether it still holds the lock it does not ask: to refuse is what the token is for.
    await write(call.key, held.token);
  }
};

/** Makes the call. Never rejects. @returns The code of the error that ended it; `undefined` if none did. */
export const makeLockCall = async (warp: Warp, call: LockCall, tools: LockTools): Promise<string | undefined> => {
  const start = tools.now();
  try {
    const held = await warp.lock(call.key, { ttl: call.ttl, hardTimeout: call.hardTimeout });
    const told = { lock: call.key, token: String(held.token) };
    tools.onEvent({ ...told, event: "granted", start, end: tools.now(), ttlMs: call.ttl });
    try {
      await guarded(held, call, tools);
    } finally {
      tools.onEvent({ ...told, event: "released", start: tools.now(), end: tools.now() });
      await held.release();
    }
    return undefined;
  } catch (error) {
    return WarpError.is(error) ? error.code : String((error as Error).stack);
  }
};

/** What locks guard: it takes a write unless it has seen a larger token. */
export class FencedResource {
  readonly #largest: Map<string, bigint> = new Map();
  readonly #onEvent: (event: LockEvent) => void;

  constructor(onEvent: (event: LockEvent) => void) {
    this.#onEvent = onEvent;
  }

  /** @param at When it is asked. */
  write(process: string, lock: string, token: bigint, at: number): void {
    const isAccepted = token >= (this.#largest.get(lock) ?? 0n);
    if (isAccepted) this.#largest.set(lock, token);
    const event = isAccepted ? "accepted" : "refused";
    this.#onEvent({ lock, process, event, token: String(token), start: at, end: at });
  }
}
