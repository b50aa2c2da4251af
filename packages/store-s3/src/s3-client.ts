import type {
  DeleteObjectCommand,
  DeleteObjectCommandOutput,
  GetObjectCommand,
  GetObjectCommandOutput,
  HeadBucketCommand,
  HeadBucketCommandOutput,
  ListObjectsV2Command,
  ListObjectsV2CommandOutput,
  PutObjectCommand,
  PutObjectCommandOutput,
} from "@aws-sdk/client-s3";

/** What goes with a command. */
export interface S3SendOptions {
  readonly abortSignal?: AbortSignal;
}

/** The part of the AWS SDK's `S3Client` that this package calls. */
export interface S3Sender {
  /** Reads an object, or its beginning, or learns that it has not changed. */
  send(command: GetObjectCommand, options?: S3SendOptions): Promise<GetObjectCommandOutput>;
  /** Writes an object, most often under a condition. */
  send(command: PutObjectCommand, options?: S3SendOptions): Promise<PutObjectCommandOutput>;
  /** Removes an object. */
  send(command: DeleteObjectCommand, options?: S3SendOptions): Promise<DeleteObjectCommandOutput>;
  /** Lists names. */
  send(command: ListObjectsV2Command, options?: S3SendOptions): Promise<ListObjectsV2CommandOutput>;
  /** Asks for nothing but the response's date. */
  send(command: HeadBucketCommand, options?: S3SendOptions): Promise<HeadBucketCommandOutput>;
  /** A client that caches its middleware is refused: a commit could not turn its retries off. */
  readonly config?: { readonly cacheMiddleware?: boolean | undefined };
}

/** A response as the SDK's middleware sees it. */
interface HttpReply {
  readonly headers?: Readonly<Record<string, string | undefined>>;
}

interface Handled {
  readonly response: HttpReply;
  readonly output: { readonly [failure]?: unknown };
}

type Handler = (args: unknown) => Promise<Handled>;

/** Anything with the SDK's middleware stack. Its own type is generic in each command's input and output. */
interface Command {
  readonly middlewareStack: { add(middleware: never, options: never): void };
}

const failure: unique symbol = Symbol("failure");

const add = (command: Command, step: string, priority: string, name: string, middleware: (next: Handler) => Handler) =>
  command.middlewareStack.add(middleware as never, { step, priority, name } as never);

/** The second that a response's `Date` header names, in milliseconds since the epoch. */
export const dateOf = (reply: HttpReply | undefined): number | undefined => {
  const date = Date.parse(reply?.headers?.date ?? "");
  return Number.isNaN(date) ? undefined : date;
};

/** Tells `listen` of each HTTP response to the command as it arrives, also of those that become errors. */
export const listenTo = (command: Command, listen: (reply: HttpReply) => void, sent: () => void): void =>
  add(command, "deserialize", "low", "warpListen", (next) => async (args) => {
    sent();
    const handled = await next(args);
    listen(handled.response);
    return handled;
  });

/**
 * Has the command sent once, whatever the client's retry strategy says: a failure passes the retry middleware as if it
 * were a success, and becomes a failure again behind it. (The strategy belongs to the client, which is not ours.)
 */
export const sendOnce = (command: Command): void => {
  add(command, "finalizeRequest", "low", "warpHideFailure", (next) => async (args) => {
    try {
      return await next(args);
    } catch (error) {
      const output = { $metadata: {}, [failure]: error };
      return { response: (error as { $response?: HttpReply }).$response ?? {}, output };
    }
  });
  add(command, "initialize", "high", "warpShowFailure", (next) => async (args) => {
    const handled = await next(args);
    if (failure in handled.output) throw handled.output[failure];
    return handled;
  });
};
