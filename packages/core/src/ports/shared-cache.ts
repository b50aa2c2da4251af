import type { Cancel } from "../values/clock.ts";
import type { CallOptions } from "./call-options.ts";

/** Names one state of a slot: random, new with every put. */
export type SlotToken = string;

export interface SharedSlot {
  /** What a put must present. Where the slot was empty, `read` left one there, or found one that stood. */
  readonly token: SlotToken;
  /** What was put, or `undefined` for an empty slot. */
  readonly bytes: Uint8Array | undefined;
  /** Time left, in milliseconds by the tier's clock; `Infinity` if it does not expire; 0 for an empty slot. */
  readonly expiresInMs: number;
}

export interface SharedPut {
  readonly key: string;
  readonly bytes: Uint8Array;
  /** From now, by the tier's clock, in milliseconds; `Infinity` for no expiry. */
  readonly ttlMs: number;
  /** Put only where this token still stands; `undefined` puts unconditionally. */
  readonly token: SlotToken | undefined;
}

/**
 * A cache that other processes see. A compare-and-set map of bytes: a put lands only where the token still stands that
 * a read gave before the value was loaded, and a drop removes slot and token, so a filler that was overtaken puts
 * nothing. It may forget a slot at any moment: a put on a forgotten slot fails, since its token stands no more.
 * A tier that cannot answer rejects.
 */
export interface SharedCache {
  readonly portVersion: 1;
  /** One round trip, however many keys; answers in their order. @param reserveMs How long a token left in an empty slot stands. */
  read(keys: readonly string[], reserveMs: number, options?: CallOptions): Promise<readonly SharedSlot[]>;
  /** One round trip. Resolves for each put whether it landed. A put that landed makes a new token. */
  put(puts: readonly SharedPut[], options?: CallOptions): Promise<readonly boolean[]>;
  /** Removes slots and their tokens, unconditionally. */
  drop(keys: readonly string[], options?: CallOptions): Promise<void>;
  /**
   * The tier's epoch; with `replace`, sets `replace.next` where `replace.expected` stands (`undefined`: where none
   * does). Resolves the epoch that stands afterwards. It never expires, but may be forgotten like any slot.
   */
  epoch(
    replace?: { readonly expected: string | undefined; readonly next: string },
    options?: CallOptions,
  ): Promise<string | undefined>;
  /** Calls `listener` whenever the tier may have gone back in time: reconnected, or another server took over. */
  onRollback(listener: () => void): Cancel;
}
