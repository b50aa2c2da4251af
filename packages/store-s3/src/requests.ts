import {
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadBucketCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import type { Clock } from "@warp/core";
import { orAborted } from "./deadline.ts";
import { isMissing, isUnchanged } from "./failures.ts";
import type { Gate } from "./gate.ts";
import { dateOf, listenTo, type S3Sender, sendOnce } from "./s3-client.ts";
import type { StoreClock } from "./server-clock.ts";

/** An object as it was read. */
export interface FoundObject {
  readonly bytes: Uint8Array;
  /** Without quotes: as conditions of writes take it on every server. */
  readonly etag: string;
  /** How long ago it was written, in milliseconds by the server's clock alone, to whole seconds. */
  readonly ageMs: number;
}

/** Under which condition an object is written: there is none, or it is the one with this tag; `"always"` for none. */
export type Condition = "absent" | "always" | { readonly etag: string };

export interface ListedObject {
  readonly name: string;
  readonly size: number;
  /** How long ago it was written, as in `FoundObject`. */
  readonly ageMs: number;
  /** When it was written, by the server's clock, in milliseconds since the epoch. */
  readonly writtenAt: number;
}

export interface ListedPage {
  readonly objects: readonly ListedObject[];
  /** Where the next page begins; `undefined` after the last. */
  readonly next: string | undefined;
}

interface RequestsSettings {
  readonly bucket: string;
  readonly gate: Gate;
  readonly clock: StoreClock;
  readonly timers: Pick<Clock, "monotonic">;
}

/** Ceph's RGW compares what it is sent with the bare tag; AWS takes it with quotes and without. */
const bare = (etag: string | undefined): string => (etag ?? "").replaceAll('"', "");

type Command = GetObjectCommand | PutObjectCommand | DeleteObjectCommand | ListObjectsV2Command | HeadBucketCommand;

/** One method for each kind of request. Each tells the clock of its responses, waits its turn, and ends with its signal. */
export class Requests {
  readonly #client: S3Sender;
  readonly #settings: RequestsSettings;

  constructor(client: S3Sender, settings: RequestsSettings) {
    this.#client = client;
    this.#settings = settings;
  }

  /**
   * @param unless A tag: resolves `"unchanged"`, without bytes, while the object has it.
   * @param mostBytes Only the object's beginning.
   */
  async get(
    name: string,
    signal: AbortSignal,
    { unless, mostBytes }: { readonly unless?: string | undefined; readonly mostBytes?: number | undefined } = {},
  ): Promise<FoundObject | "unchanged" | undefined> {
    const command = new GetObjectCommand({
      Bucket: this.#settings.bucket,
      Key: name,
      // RFC 9110, 13.1.2 has the tag in quotes; both servers take it so.
      IfNoneMatch: unless === undefined ? undefined : `"${unless}"`,
      Range: mostBytes === undefined ? undefined : `bytes=0-${mostBytes - 1}`,
    });
    try {
      return await this.#run(command, signal, async (date) => {
        const output = await this.#client.send(command, { abortSignal: signal });
        return await foundObject(output, date());
      });
    } catch (error) {
      if (isMissing(error)) return undefined;
      if (isUnchanged(error)) return "unchanged";
      throw error;
    }
  }

  /** Writes whole or not at all. Sent once: the client's own retries could not tell their first landing from another's. */
  async put(name: string, bytes: Uint8Array, condition: Condition, signal: AbortSignal): Promise<string> {
    const command = new PutObjectCommand({
      Bucket: this.#settings.bucket,
      Key: name,
      Body: bytes,
      ContentType: "application/octet-stream",
      IfNoneMatch: condition === "absent" ? "*" : undefined,
      IfMatch: typeof condition === "object" ? condition.etag : undefined,
    });
    if (condition !== "always") sendOnce(command);
    const { ETag } = await this.#run(command, signal, () => this.#client.send(command, { abortSignal: signal }));
    return bare(ETag);
  }

  /** @param etag Where the server honours conditions of deletes: only the object with this tag. */
  async remove(name: string, etag: string | undefined, signal: AbortSignal): Promise<void> {
    const command = new DeleteObjectCommand({ Bucket: this.#settings.bucket, Key: name, IfMatch: etag });
    if (etag !== undefined) sendOnce(command);
    await this.#run(command, signal, () => this.#client.send(command, { abortSignal: signal }));
  }

  /** Up to a thousand names in the order of their bytes. @param from The `next` of the page before. */
  async list(
    prefix: string,
    signal: AbortSignal,
    { from, after, most }: { readonly from?: string | undefined; readonly after?: string; readonly most?: number } = {},
  ): Promise<ListedPage> {
    const command = new ListObjectsV2Command({
      Bucket: this.#settings.bucket,
      Prefix: prefix,
      ContinuationToken: from,
      StartAfter: after,
      MaxKeys: most,
    });
    return await this.#run(command, signal, async (date) => {
      const { Contents = [], NextContinuationToken } = await this.#client.send(command, { abortSignal: signal });
      const objects = Contents.map(({ Key = "", Size = 0, LastModified }) => {
        const writtenAt = LastModified?.getTime() ?? date();
        return { name: Key, size: Size, ageMs: date() - writtenAt, writtenAt };
      });
      return { objects, next: NextContinuationToken };
    });
  }

  /** The cheapest request there is: tells the clock. */
  async head(signal: AbortSignal): Promise<void> {
    const command = new HeadBucketCommand({ Bucket: this.#settings.bucket });
    await this.#run(command, signal, () => this.#client.send(command, { abortSignal: signal }));
  }

  async #run<T>(command: Command, signal: AbortSignal, send: (date: () => number) => Promise<T>): Promise<T> {
    const { gate, clock, timers } = this.#settings;
    let date = 0;
    let sentAt = 0;
    const listen: Parameters<typeof listenTo>[1] = (reply) => {
      const heard = dateOf(reply);
      if (heard === undefined) return;
      date = heard;
      clock.heard?.(heard, sentAt, timers.monotonic());
    };
    listenTo(command, listen, () => {
      sentAt = timers.monotonic();
    });
    return await gate.run(signal, () =>
      orAborted(
        send(() => date),
        signal,
      ),
    );
  }
}

const foundObject = async (
  { Body, ETag, LastModified }: GetObjectCommandOutput,
  date: number,
): Promise<FoundObject> => ({
  bytes: (await Body?.transformToByteArray()) ?? new Uint8Array(0),
  etag: bare(ETag),
  ageMs: date - (LastModified?.getTime() ?? date),
});
