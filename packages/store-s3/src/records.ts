import type { Revision, StoredRecord } from "@warp/core";
import { WarpError } from "@warp/core";
import type { Background } from "./background.ts";
import { orAborted } from "./deadline.ts";
import { isLost } from "./failures.ts";
import { Intents, type Standing } from "./intents.ts";
import type { S3StoreSettings } from "./options.ts";
import { encodeBody, type Intent } from "./record-body.ts";
import type { Condition, FoundObject, Requests } from "./requests.ts";
import type { Transactions } from "./transactions.ts";
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
  readonly #background: Background;
  /** Least recently used first. */
  readonly #remembered: Map<string, Remembered> = new Map();
  /** Keys that are being freed of what an ended transaction left on them, until then. */
  readonly #freeing: Map<string, Promise<void>> = new Map();

  constructor(requests: Requests, transactions: Transactions, background: Background, settings: S3StoreSettings) {
    this.#requests = requests;
    this.#settings = settings;
    this.#intents = new Intents(requests, transactions, settings);
    this.#background = background;
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

  /** What the key holds, with its bytes. @param own The transaction that asks. */
  async read(key: string, signal: AbortSignal, own?: string): Promise<Standing> {
    return this.#tidy(key, await this.#intents.resolve(key, await this.#get(key, signal), signal, own));
  }

  /**
   * As `read`, for a writer: no transaction under way is left in its way, nor is this process about to write there
   * itself. Of two writes of one object at once one is lost, and Ceph's RGW may call it an error of its own (500).
   */
  async readToWrite(key: string, signal: AbortSignal): Promise<Standing> {
    const freeing = this.#freeing.get(key);
    if (freeing !== undefined) await orAborted(freeing, signal);
    return this.#learn(key, await this.#intents.end(key, await this.#get(key, signal), signal));
  }

  /**
   * As `read`, for a reader: one request, without the bytes where the revision stands and this process remembers its
   * tag. What it returns is for `shown` with the same `unless`.
   */
  async readUnless(key: string, unless: Revision | undefined, signal: AbortSignal): Promise<Standing> {
    const hint = this.remembered(key, unless);
    if (hint === undefined) return await this.read(key, signal);
    return await this.readAgain(
      key,
      { etag: hint.etag, version: { header: hint.header, value: noBytes }, claim: undefined },
      signal,
    );
  }

  /** What the key holds after `before` was read: that very thing, and no bytes moved, if the object is as it was. */
  async readAgain(key: string, before: Standing, signal: AbortSignal): Promise<Standing> {
    const { etag, claim } = before;
    const found = await this.#get(key, signal, claim === undefined && etag !== "" ? etag : undefined);
    return found === "unchanged" ? before : this.#tidy(key, await this.#intents.resolve(key, found, signal));
  }

  /** What a caller is shown. Under an intent that is never `"unchanged"`, which could not say that it may change. */
  shown({ version, claim }: Standing, unless?: Revision): StoredRecord | "unchanged" | undefined {
    if (version === undefined) return undefined;
    const record = recordAt(version, this.shownTime(), claim !== undefined);
    const isUnchanged = record.revision === unless && (record.value !== undefined || version.header.isTombstone);
    return isUnchanged && claim === undefined ? "unchanged" : record;
  }

  /** As `shown`, whole. */
  record({ version, claim }: Standing): StoredRecord | undefined {
    return version && recordAt(version, this.shownTime(), claim !== undefined);
  }

  /** What is known of the record with this revision without asking. */
  remembered(key: string, revision: Revision | undefined): Remembered | undefined {
    const hint = this.#remembered.get(key);
    return revision !== undefined && hint?.header.revision === revision ? hint : undefined;
  }

  /** Puts a record, without an intent; none, where a transaction that was aborted had left its intent on nothing. */
  async write(key: string, version: Version | undefined, condition: Condition, signal: AbortSignal): Promise<string> {
    const etag = await this.#put(key, version, undefined, condition, signal);
    if (version !== undefined) this.#remember(key, { etag, header: version.header });
    return etag;
  }

  /** Puts an intent on what the key holds. @returns The object's tag. */
  async claim(
    key: string,
    version: Version | undefined,
    intent: Intent,
    condition: Condition,
    signal: AbortSignal,
  ): Promise<string> {
    this.forget(key);
    return await this.#put(key, version, intent, condition, signal);
  }

  /** Takes the intent of a transaction that has ended off the object with this tag, if it still has it. */
  async free(key: string, version: Version | undefined, etag: string, signal: AbortSignal): Promise<void> {
    try {
      await this.write(key, version, { etag }, signal);
    } catch (error) {
      // Somebody else did, or wrote over it.
      if (!isLost(error)) throw error;
    }
  }

  forget(key: string): void {
    this.#remembered.delete(key);
  }

  /** @returns `"unchanged"` only with `unless`. */
  async #get(key: string, signal: AbortSignal): Promise<FoundObject | undefined>;
  async #get(
    key: string,
    signal: AbortSignal,
    unless: string | undefined,
  ): Promise<FoundObject | "unchanged" | undefined>;
  async #get(key: string, signal: AbortSignal, unless?: string): Promise<FoundObject | "unchanged" | undefined> {
    return await this.#requests.get(this.#settings.names.record(key), signal, { unless });
  }

  async #put(
    key: string,
    version: Version | undefined,
    intent: Intent | undefined,
    condition: Condition,
    signal: AbortSignal,
  ): Promise<string> {
    const { names } = this.#settings;
    const bytes = encodeBody({ version, intent }, names.isCut(key) ? key : undefined);
    return await this.#requests.put(names.record(key), bytes, condition, signal);
  }

  #learn(key: string, standing: Standing): Standing {
    const { etag, version, claim } = standing;
    if (etag === undefined || version === undefined || claim !== undefined) this.forget(key);
    else this.#remember(key, { etag, header: version.header });
    return standing;
  }

  /** As `#learn`, for readers: takes off what was left on the object, in the background. */
  #tidy(key: string, standing: Standing): Standing {
    const { etag, version, claim } = this.#learn(key, standing);
    if (etag !== undefined && claim?.isLeft === true && !this.#freeing.has(key)) {
      const freeing = this.#background
        .run((signal) => this.free(key, version, etag, signal))
        .finally(() => this.#freeing.delete(key));
      this.#freeing.set(key, freeing);
    }
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
