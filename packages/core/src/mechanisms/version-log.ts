import { WarpError } from "../errors.ts";
import type { HistoryRetention } from "../ports/store.ts";
import type { Registration } from "./registration.ts";

interface Version {
  /** `undefined`: the key did not exist; `gap`: this node does not know what it held. */
  readonly value: unknown;
  readonly gap: boolean;
  /** Wall clock, in milliseconds since the epoch; never goes back along a key. */
  readonly at: number;
  readonly owner: Registration;
  /** The owner's when the version was taken: a later raise casts doubt on it from then on. */
  readonly generation: number;
}

const mostKeys = 10_000;
/** That are forgotten when there are more. */
const keysAtOnce = mostKeys / 10;
/** Also of a key whose registration bounds neither their number nor their age: this is memory. */
const mostVersions = 1_000;

/**
 * The past of keys that no store keeps, as this node saw it. From a drop or a suspicion to the next value it knows
 * nothing. Bounded: the keys that were written longest ago are forgotten first.
 */
export class VersionLog {
  readonly #versions: Map<string, Version[]> = new Map();

  /** @param value `undefined` for a delete. */
  add(key: string, value: unknown, registration: Registration, generation: number, nowMs: number): void {
    const { history } = registration.policy;
    if (history !== undefined)
      this.#append(key, { value, gap: false, at: nowMs, owner: registration, generation }, history);
  }

  /** From now on nobody knows what the key holds, until the next value. */
  gap(key: string, registration: Registration, nowMs: number): void {
    const { history } = registration.policy;
    const last = this.#versions.get(key)?.at(-1);
    if (history === undefined || last === undefined || last.gap) return;
    this.#append(key, { ...last, value: undefined, gap: true, at: nowMs }, history);
  }

  /** As `gap`, for every key. */
  gapAll(nowMs: number): void {
    for (const versions of this.#versions.values()) {
      const last = versions[versions.length - 1] as Version;
      if (!last.gap) versions.push({ ...last, value: undefined, gap: true, at: Math.max(nowMs, last.at) });
    }
  }

  #append(key: string, version: Version, { versions: most, maxAgeMs }: HistoryRetention): void {
    const versions = this.#versions.get(key) ?? [];
    const at = Math.max(version.at, versions.at(-1)?.at ?? version.at);
    // A gap that lasted no time, as one that a write leaves.
    if (versions.at(-1)?.gap === true && versions.at(-1)?.at === at) versions.pop();
    versions.push({ ...version, at });
    let known = versions.reduce((count, { gap }) => count + (gap ? 0 : 1), 0);
    if (versions.length > mostVersions) versions.shift();
    // With the version that stands, one more than the former ones.
    while (most !== undefined && (known > most + 1 || versions[0]?.gap === true))
      known -= versions.shift()?.gap ? 0 : 1;
    // A version is kept for its age after it was superseded, which is when the next one came.
    while (maxAgeMs !== undefined && versions.length > 1 && (versions[1] as Version).at + maxAgeMs <= version.at)
      versions.shift();
    this.#versions.delete(key);
    this.#versions.set(key, versions);
    if (this.#versions.size > mostKeys) this.#forgetOldest();
  }

  /** Many at once: a `Map` that is asked for its oldest key passes all that it has lost already, each time. */
  #forgetOldest(): void {
    for (const key of this.#versions.keys()) {
      if (this.#versions.size <= mostKeys - keysAtOnce) return;
      this.#versions.delete(key);
    }
  }

  /**
   * The value as of `at`, `undefined` if the key did not exist then.
   * @throws {WarpError} `HISTORY_UNAVAILABLE`.
   */
  valueAt(key: string, at: number, nowMs: number): unknown {
    const versions = this.#versions.get(key) ?? [];
    const index = versions.findLastIndex((candidate) => candidate.at <= at);
    const version = versions[index];
    const maxAgeMs = version?.owner.policy.history?.maxAgeMs ?? Number.POSITIVE_INFINITY;
    const supersededAt = versions[index + 1]?.at ?? Number.POSITIVE_INFINITY;
    if (
      version !== undefined &&
      !version.gap &&
      supersededAt + maxAgeMs > nowMs &&
      version.owner.raisedAfter(version.generation) > at
    )
      return version.value;
    throw new WarpError("HISTORY_UNAVAILABLE", "this node does not know what the key held then", {
      key,
      operation: "getAt",
    });
  }

  /** Lets go of what was seen under a registration that has ended. */
  forget(registration: Registration): void {
    for (const [key, versions] of this.#versions)
      if (versions.at(-1)?.owner === registration) this.#versions.delete(key);
  }
}
