import { createHash } from "node:crypto";
import {
  DeleteObjectCommand,
  GetObjectCommand,
  type HeadBucketCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from "@aws-sdk/client-s3";

interface MemoryObject {
  readonly bytes: Uint8Array;
  readonly etag: string;
  readonly writtenAt: number;
}

/** An error as the SDK throws it. */
export const sdkError = (status: number, name: string): Error =>
  Object.assign(new Error(name), { name, $metadata: { httpStatusCode: status } });

export type AnyCommand =
  | GetObjectCommand
  | PutObjectCommand
  | DeleteObjectCommand
  | ListObjectsV2Command
  | HeadBucketCommand;

const bare = (etag: string): string => etag.replaceAll('"', "");

/** The objects of a bucket in memory, with the conditions of S3: each request takes place at one moment, whole. */
export class MemoryS3 {
  readonly objects: Map<string, MemoryObject> = new Map();
  readonly #now: () => number;

  /** @param now The server's clock, in milliseconds since the epoch. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** What a server's `Date` header says now. */
  get date(): string {
    return new Date(this.#now()).toUTCString();
  }

  /** @throws As the SDK does. */
  apply(command: AnyCommand): unknown {
    if (command instanceof GetObjectCommand) return this.#get(command.input);
    if (command instanceof PutObjectCommand) return this.#put(command.input);
    if (command instanceof ListObjectsV2Command) return this.#list(command.input);
    if (command instanceof DeleteObjectCommand) this.objects.delete(command.input.Key ?? "");
    return {};
  }

  #get({ Key = "", IfNoneMatch, Range }: GetObjectCommand["input"]): unknown {
    const object = this.objects.get(Key);
    if (object === undefined) throw sdkError(404, "NoSuchKey");
    if (IfNoneMatch !== undefined && bare(IfNoneMatch) === object.etag) throw sdkError(304, "304");
    const [, end] = /-(\d+)$/.exec(Range ?? "") ?? [];
    const bytes = object.bytes.slice(0, end === undefined ? undefined : Number(end) + 1);
    const LastModified = new Date(Math.floor(object.writtenAt / 1_000) * 1_000);
    return { Body: { transformToByteArray: async () => bytes }, ETag: `"${object.etag}"`, LastModified };
  }

  #put({ Key = "", Body, IfMatch, IfNoneMatch }: PutObjectCommand["input"]): unknown {
    const object = this.objects.get(Key);
    if (IfNoneMatch === "*" && object !== undefined) throw sdkError(412, "PreconditionFailed");
    if (IfMatch !== undefined && object === undefined) throw sdkError(404, "NoSuchKey");
    if (IfMatch !== undefined && object?.etag !== bare(IfMatch)) throw sdkError(412, "PreconditionFailed");
    const bytes = Uint8Array.from(Body as Uint8Array);
    // As of AWS and RGW: of the bytes alone, so that equal ones have equal tags.
    const etag = createHash("md5").update(bytes).digest("hex");
    this.objects.set(Key, { bytes, etag, writtenAt: this.#now() });
    return { ETag: `"${etag}"` };
  }

  #list({ Prefix = "", StartAfter = "", ContinuationToken = "", MaxKeys = 1_000 }: ListObjectsV2Command["input"]) {
    const after = ContinuationToken === "" ? StartAfter : ContinuationToken;
    const names = [...this.objects.keys()].filter((name) => name.startsWith(Prefix) && name > after).sort();
    const Contents = names.slice(0, MaxKeys).map((Key) => {
      const { bytes, writtenAt } = this.objects.get(Key) as MemoryObject;
      return { Key, Size: bytes.length, LastModified: new Date(Math.floor(writtenAt / 1_000) * 1_000) };
    });
    return { Contents, NextContinuationToken: names.length > MaxKeys ? names[MaxKeys - 1] : undefined };
  }
}

interface MiddlewareStack {
  resolve(last: () => Promise<unknown>, context: object): (args: object) => Promise<{ readonly output: unknown }>;
}

/** Runs a command's own middleware around what a server does, as the SDK's client would. @returns Its output. */
export const answered = async (
  { middlewareStack, input }: AnyCommand,
  serve: () => Promise<{ readonly date: string; readonly output: unknown }>,
): Promise<unknown> => {
  // The stack's own type is generic in each command's input and output.
  const handler = (middlewareStack as unknown as MiddlewareStack).resolve(async () => {
    const { date, output } = await serve();
    return { response: { headers: { date } }, output };
  }, {});
  return (await handler({ input })).output;
};
