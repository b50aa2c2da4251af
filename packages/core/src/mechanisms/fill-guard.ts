import type { EntryOwner } from "../values/entry.ts";
import { TransientMap } from "./transient-map.ts";

/** No slot has this version. */
const released = -1;

interface Slot {
  readonly key: string;
  version: number;
  open: number;
}

/** Permission to fill one key, valid until something overtakes the load it was taken for. */
export interface FillToken {
  readonly slot: Slot;
  version: number;
  /** The registration's generation when the token was taken. */
  readonly generation: number;
}

/**
 * Keeps a load from bringing back what was dropped meanwhile (rule 2). A token is taken before the load begins and
 * released when its fill is done; whatever changes the key in between voids it. Holds one slot for each key with an
 * open token, so it is bounded by the loads under way.
 */
export class FillGuard {
  readonly #slots: TransientMap<Slot> = new TransientMap();

  take(key: string, owner: EntryOwner): FillToken {
    let slot = this.#slots.get(key);
    if (slot === undefined) {
      slot = { key, version: 0, open: 0 };
      this.#slots.set(key, slot);
    }
    slot.open++;
    return { slot, version: slot.version, generation: owner.generation };
  }

  /** Every token is released exactly once, and void from then on: what comes later does not find it. */
  release(token: FillToken): void {
    const { slot } = token;
    token.version = released;
    if (--slot.open === 0) this.#slots.delete(slot.key);
  }

  isValid(token: FillToken): boolean {
    return token.version === token.slot.version;
  }

  /** Voids every token of the key but this one. @returns Whether it still stood. */
  claim(token: FillToken): boolean {
    const stood = this.isValid(token);
    token.slot.version++;
    if (stood) token.version = token.slot.version;
    return stood;
  }

  void(key: string): void {
    const slot = this.#slots.get(key);
    if (slot !== undefined) slot.version++;
  }

  voidAll(): void {
    for (const slot of this.#slots.values()) slot.version++;
  }

  /** Keys with an open token. */
  get size(): number {
    return this.#slots.size;
  }
}
