import type { Revision } from "@warp/core";
import type { Standing } from "./intents.ts";
import type { Records } from "./records.ts";

const isSame = (one: Standing, other: Standing): boolean =>
  one.version?.header.revision === other.version?.header.revision;

/**
 * Reads several keys as of one moment: in passes, each over all of them, until two in a row agree. Each read tells what
 * its key held at some moment of that pass, transactions included, and a revision never comes back. So what two passes
 * agree on stood all the time between them, for every key. (Double collect: Afek et al., "Atomic snapshots of shared
 * memory", 1993.) A pending transaction keeps nobody waiting: it has not happened yet.
 */
export class Snapshots {
  readonly #records: Records;

  constructor(records: Records) {
    this.#records = records;
  }

  /**
   * Two GETs for each key, the second without the bytes; as many more for each time that some key changed meanwhile.
   * One alone where there is only one key.
   */
  async read(
    keys: readonly string[],
    unless: readonly (Revision | undefined)[],
    signal: AbortSignal,
  ): Promise<readonly Standing[]> {
    let before = await this.#pass(keys, (key, index) => this.#records.readUnless(key, unless[index], signal));
    for (;;) {
      if (keys.length < 2) return before;
      const former = before;
      const again = (key: string, index: number) => this.#records.readAgain(key, former[index] as Standing, signal);
      const now = await this.#pass(keys, again);
      if (now.every((standing, index) => isSame(standing, former[index] as Standing))) return now;
      before = now;
    }
  }

  async #pass(
    keys: readonly string[],
    read: (key: string, index: number) => Promise<Standing>,
  ): Promise<readonly Standing[]> {
    return await Promise.all(keys.map(read));
  }
}
