import type { Revision, StoredRecord } from "@warp/core";
import { WarpError } from "@warp/core";
import { Intents, type Standing } from "./intents.ts";
import type { S3StoreSettings } from "./options.ts";
import { encodeBody } from "./record-body.ts";
import type { Condition, Requests } from "./requests.ts";
import { type RecordHeader, recordAt, type Version } from "./version.ts";

interface Remembered {
  readonly etag: string;
  readonly header: RecordHeader;
}

const noBytes = new Uint8Array(0);

/** The objects of records, and what this process remembers of them: hints, which every use of them puts to the test. */
export class Records {
  readonly #requests: Requests;
  readonly #settings: S3StoreSettings;
  readonly #intents: Intents;
  /** Least recently used first. */
  readonly #remembered: Map<string, Remembered> = new Map();

  constructor(requests: Requests, settings: S3StoreSettings) {
    this.#requests = requests;
    this.#settings = settings;
    this.#intents = new Intents(requests, settings.names, settings.timers);
  }

  /** The store's time. Something was heard of the server before, or it is asked. */
  async now(signal: AbortSignal): Promise<number> {
    const { clock } = this.#settings;
    if (clock.now() === undefined) await this.#requests.head(signal);
    return this.shownTime();
  }

  /** As `now`, where a response has just come. */
  shownTime(): number {
    const now = this.#settings.clock.now();
    if (now === undefined) throw new WarpError("UNAVAILABLE", "the server tells no date", { port: "store" });
    return now;
  }

  /** What the key holds, with its bytes. */
  async read(key: string, signal: AbortSignal): Promise<Standing> {
    return await this.#look(key, signal, "resolve");
  }

  /** As `read`, for a writer: no transaction under way is left in its way. */
  async readToWrite(key: string, signal: AbortSignal): Promise<Standing> {
    return await this.#look(key, signal, "end");
  }

  /** As `Store.get`: one request, without the bytes where the revision stands and this process remembers its tag. */
  async readUnless(
    key: string,
    unless: Revision | undefined,
    signal: AbortSignal,
  ): Promise<StoredRecord | "unchanged" | undefined> {
    const hint = this.remembered(key, unless);
    if (hint !== undefined) {
      const found = await this.#requests.get(this.#settings.names.record(key), signal, { unless: hint.etag });
      if (found === "unchanged") return this.#unless({ header: hint.header, value: noBytes }, unless);
      const { version } = await this.#learn(key, await this.#intents.resolve(key, found, signal));
      return version && this.#unless(version, unless);
    }
    const { version } = await this.read(key, signal);
    return version && this.#unless(version, unless);
  }

  /** What is known of the record with this revision without asking. */
  remembered(key: string, revision: Revision | undefined): Remembered | undefined {
    const hint = this.#remembered.get(key);
    return revision !== undefined && hint?.header.revision === revision ? hint : undefined;
  }

  /** Puts a record, without an intent. */
  async write(key: string, version: Version, condition: Condition, signal: AbortSignal): Promise<void> {
    const { names } = this.#settings;
    const bytes = encodeBody({ version, intent: undefined }, names.isCut(key) ? key : undefined);
    const etag = await this.#requests.put(names.record(key), bytes, condition, signal);
    this.#remember(key, { etag, header: version.header });
  }

  forget(key: string): void {
    this.#remembered.delete(key);
  }

  #unless(version: Version, unless: Revision | undefined): StoredRecord | "unchanged" {
    const now = this.shownTime();
    const { revision, expiresAt } = version.header;
    return revision === unless && !(expiresAt !== undefined && expiresAt <= now) ? "unchanged" : recordAt(version, now);
  }

  async #look(key: string, signal: AbortSignal, how: "resolve" | "end"): Promise<Standing> {
    const found = await this.#requests.get(this.#settings.names.record(key), signal);
    return this.#learn(key, await this.#intents[how](key, found === "unchanged" ? undefined : found, signal));
  }

  #learn(key: string, standing: Standing): Standing {
    const { etag, version, hasIntent } = standing;
    if (etag === undefined || version === undefined || hasIntent) this.forget(key);
    else this.#remember(key, { etag, header: version.header });
    return standing;
  }

  #remember(key: string, hint: Remembered): void {
    this.#remembered.delete(key);
    if (hint.etag !== "") this.#remembered.set(key, hint);
    if (this.#remembered.size <= this.#settings.remembered) return;
    for (const oldest of this.#remembered.keys()) {
      this.#remembered.delete(oldest);
      return;
    }
  }
}
