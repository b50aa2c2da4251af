import { type CallOptions, type StoredRecord, WarpError } from "@warp/core";
import type { Background } from "./background.ts";
import { within } from "./deadline.ts";
import type { Forgotten } from "./forgotten.ts";
import type { S3StoreSettings } from "./options.ts";
import { decodeBody, encodeBody } from "./record-body.ts";
import type { Records } from "./records.ts";
import type { ListedObject, Requests } from "./requests.ts";
import type { WriteMutation } from "./successor.ts";
import { type KeptVersion, type RecordHeader, recordAt, type Version } from "./version.ts";

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");

/** In the order of commits: by commit time, then by timestamp. */
const versionName = ({ committedAt, micros, ordinal }: Omit<KeptVersion, "until">): string =>
  `${hex(committedAt, 12)}-${hex(micros, 14)}-${ordinal}`;

const nameForm = /([0-9a-f]{12})-[0-9a-f]{14}-(\d+)$/;

/** After everything that was committed at `at` or before, and before everything later. */
const afterInstant = (at: number): string => `${hex(Math.max(0, Math.floor(at)), 12)}~`;

const unavailable = (key: string): WarpError =>
  new WarpError("HISTORY_UNAVAILABLE", "the version of that time is no longer kept", { port: "store", key });

/** Former versions are removed at every so many commits that keep one: each time costs a listing. */
const trimEvery = 8;

/**
 * Former versions of keys: objects beside the record, each written before the commit that supersedes it. A version that
 * stood once stood, whatever became of that commit, so its object never says anything false, whoever wrote it and how
 * often. Which versions are kept, and until when each stood, is said by their successors: every record names the last
 * version before it that is kept.
 */
export class Past {
  readonly #requests: Requests;
  readonly #records: Records;
  readonly #forgotten: Forgotten;
  readonly #settings: S3StoreSettings;
  readonly #background: Background;

  constructor(
    requests: Requests,
    records: Records,
    forgotten: Forgotten,
    background: Background,
    settings: S3StoreSettings,
  ) {
    this.#requests = requests;
    this.#records = records;
    this.#forgotten = forgotten;
    this.#background = background;
    this.#settings = settings;
  }

  /** Puts `before` in its place, if the write asks for it. @returns What the record to come says of its past. */
  async keep(
    { key, history }: WriteMutation,
    before: Version | undefined,
    until: number,
    signal: AbortSignal,
  ): Promise<Pick<RecordHeader, "kept" | "lastKept" | "retention">> {
    const { kept = 0, lastKept, retention } = before?.header ?? {};
    if (before === undefined || history === undefined) return { kept, lastKept, retention: history ?? retention };
    const { committedAt, timestamp } = before.header;
    const version = { committedAt, micros: timestamp.micros, ordinal: kept, until };
    const bytes = encodeBody({ version: before, intent: undefined }, undefined);
    await this.#requests.put(this.#nameOf(key, version), bytes, "always", signal);
    return { kept: kept + 1, lastKept: version, retention: history };
  }

  /** As `History.getAt`: up to four requests. */
  async getAt(key: string, at: number, options?: CallOptions): Promise<StoredRecord | undefined> {
    return await within(this.#settings.timers, options, async (signal) => {
      const { version: current } = await this.#records.read(key, signal);
      if (current !== undefined && at >= current.header.committedAt) return recordAt(current, at);
      if (current === undefined || at < current.header.createdAt) {
        // An earlier record of the key may have been removed for good.
        if (at < (await this.#forgotten.before(signal))) throw unavailable(key);
        return undefined;
      }
      const version = await this.#versionAt(key, at, current, signal);
      if (version === undefined) throw unavailable(key);
      return recordAt(version, at);
    });
  }

  /** Removes, in the background, what the record's retention does not cover. */
  trim(key: string, header: RecordHeader): void {
    const { kept, lastKept, committedAt } = header;
    if (lastKept?.until !== committedAt || kept % trimEvery !== 0) return;
    void this.#background.run((signal) => this.#trim(key, header, signal));
  }

  /** Whether no former version is kept any more; removes those that are due. */
  async isOver(key: string, header: RecordHeader, signal: AbortSignal): Promise<boolean> {
    await this.#trim(key, header, signal);
    const { objects } = await this.#requests.list(this.#settings.names.versions(key), signal, { most: 1 });
    return objects.length === 0;
  }

  #nameOf(key: string, version: Omit<KeptVersion, "until">): string {
    return this.#settings.names.versions(key) + versionName(version);
  }

  async #versionAt(key: string, at: number, current: Version, signal: AbortSignal): Promise<Version | undefined> {
    let { lastKept } = current.header;
    if (lastKept !== undefined && at < lastKept.committedAt) {
      // The first version that is kept after `at` names the one before it.
      const folder = this.#settings.names.versions(key);
      const { objects } = await this.#requests.list(folder, signal, { after: folder + afterInstant(at), most: 1 });
      const [next] = objects;
      const successor = next && (await this.#versionIn(key, next.name, signal));
      lastKept = successor?.header.lastKept;
    }
    if (lastKept === undefined || at < lastKept.committedAt || at >= lastKept.until) return undefined;
    const { kept, retention } = current.header;
    const { versions = Number.POSITIVE_INFINITY, maxAgeMs = Number.POSITIVE_INFINITY } = retention ?? {};
    if (kept - lastKept.ordinal > versions || lastKept.until + maxAgeMs <= this.#records.shownTime()) return undefined;
    return await this.#versionIn(key, this.#nameOf(key, lastKept), signal);
  }

  async #versionIn(key: string, name: string, signal: AbortSignal): Promise<Version | undefined> {
    const found = await this.#requests.get(name, signal);
    return found === undefined || found === "unchanged" ? undefined : decodeBody(found.bytes, key).version;
  }

  async #trim(key: string, { kept, lastKept, retention }: RecordHeader, signal: AbortSignal): Promise<void> {
    const { versions = Number.POSITIVE_INFINITY, maxAgeMs = Number.POSITIVE_INFINITY } = retention ?? {};
    if (versions === Number.POSITIVE_INFINITY && maxAgeMs === Number.POSITIVE_INFINITY) return;
    const { objects } = await this.#requests.list(this.#settings.names.versions(key), signal);
    const now = this.#records.shownTime();
    const facts = objects.map(({ name }: ListedObject) => {
      const [, committedAt = "", ordinal = "0"] = nameForm.exec(name) ?? [];
      return { name, committedAt: Number.parseInt(committedAt, 16), ordinal: Number(ordinal) };
    });
    const over = facts.filter(({ ordinal }, index) => {
      // The current version: a commit that is to supersede it may be under way, or has failed.
      if (ordinal >= kept) return false;
      // Superseded no later than the next one was committed.
      const until = facts[index + 1]?.committedAt ?? lastKept?.until ?? Number.POSITIVE_INFINITY;
      return kept - ordinal > versions || until + maxAgeMs <= now;
    });
    await Promise.all(over.map(({ name }) => this.#requests.remove(name, undefined, signal)));
  }
}
