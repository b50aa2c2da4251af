import { type Clock, type Duration, describeValue, durationMs, systemClock, WarpError } from "@warp/core";
import { requireSubject, streamNameOf } from "./subjects.ts";

/** The stream that keeps broadcasts for nodes that are cut off. It is created on first use, if there is none. */
export interface JetStreamOptions {
  /** Default: `subject` with `-` for each `.`. A stream of this name that exists is used as it is, if it fits. */
  readonly stream?: string;
  /** How many servers keep the stream: 1, 3 or 5. Default 1. */
  readonly replicas?: number;
  /** Default `"file"`. `"memory"` is lost with the server that has it: then a restart is a gap. */
  readonly storage?: "file" | "memory";
  /** How long a frame is kept. Default `"10m"`; an outage longer than that is a gap. */
  readonly maxAge?: Duration;
  /** The most bytes kept; the oldest frames go first. Default 67 108 864 (64 MiB). */
  readonly maxBytes?: number;
  /** The most frames kept; the oldest go first. Default 1 000 000. */
  readonly maxMessages?: number;
}

/** How a `NatsBus` is set up. */
export interface NatsBusOptions {
  /** What the subjects of this bus begin with. Default `"warp"`. Services that share an account need one each. */
  readonly subject?: string;
  /** The largest frame, in bytes. Default 65 536, or what the server takes if that is less. */
  readonly maxFrameBytes?: number;
  /**
   * How long after a subscription the other servers of a cluster are given to learn of it. Default `"200ms"` where the
   * server belongs to a cluster, else 0. For clusters over long distances: some round trips between the servers.
   */
  readonly settle?: Duration;
  /** Keep broadcasts in a JetStream stream, and read on from there after a reconnect. Default: core NATS. */
  readonly jetStream?: JetStreamOptions;
  /** What the bus waits with. Default: the machine's clock. */
  readonly clock?: Pick<Clock, "monotonic" | "schedule">;
}

/** Validated, with every default. */
export interface StreamSettings {
  readonly stream: string;
  readonly replicas: number;
  readonly storage: "file" | "memory";
  readonly maxAgeMs: number;
  readonly maxBytes: number;
  readonly maxMessages: number;
}

/** Validated, with every default. */
export interface NatsBusSettings {
  readonly subject: string;
  readonly maxFrameBytes: number;
  /** `undefined`: what the server belongs to decides. */
  readonly settleMs: number | undefined;
  readonly jetStream: StreamSettings | undefined;
  readonly clock: Pick<Clock, "monotonic" | "schedule">;
}

const positiveInteger = (field: string, value: unknown): number => {
  if (typeof value === "number" && Number.isSafeInteger(value) && value > 0) return value;
  throw new WarpError("INVALID_ARGUMENT", `${field} must be a whole number above 0; got ${describeValue(value)}`);
};

const streamSettingsOf = (options: JetStreamOptions, subject: string): StreamSettings => {
  const { stream = streamNameOf(subject), storage = "file", replicas = 1 } = options;
  if (!/^[^\s.*>/\\]+$/.test(stream))
    throw new WarpError(
      "INVALID_ARGUMENT",
      `jetStream.stream must not be empty, nor have blanks, or . * > / \\ in it; got ${describeValue(stream)}`,
    );
  if (storage !== "file" && storage !== "memory")
    throw new WarpError(
      "INVALID_ARGUMENT",
      `jetStream.storage must be "file" or "memory"; got ${describeValue(storage)}`,
    );
  return Object.freeze({
    stream,
    storage,
    replicas: positiveInteger("jetStream.replicas", replicas),
    // The server refuses less.
    maxAgeMs: durationMs("jetStream.maxAge", options.maxAge ?? "10m", { leastMs: 100 }),
    maxBytes: positiveInteger("jetStream.maxBytes", options.maxBytes ?? 64 * 1_048_576),
    maxMessages: positiveInteger("jetStream.maxMessages", options.maxMessages ?? 1_000_000),
  });
};

/** @throws {WarpError} `INVALID_ARGUMENT` naming the option. */
export const settingsOf = (options: NatsBusOptions): NatsBusSettings => {
  const subject = requireSubject(options.subject ?? "warp");
  return Object.freeze({
    subject,
    maxFrameBytes: positiveInteger("maxFrameBytes", options.maxFrameBytes ?? 65_536),
    settleMs: options.settle === undefined ? undefined : durationMs("settle", options.settle),
    jetStream: options.jetStream === undefined ? undefined : streamSettingsOf(options.jetStream, subject),
    clock: options.clock ?? systemClock,
  });
};
