import { WarpError } from "@warp/core";
import { busError, messageOf } from "./failures.ts";
import type { NatsClient } from "./nats-client.ts";
import type { StreamSettings } from "./options.ts";

/** The state of a stream. */
export interface StreamState {
  /** When it was made: another stream of the same name has another date. */
  readonly created: string;
  /** The sequence of the oldest frame kept; of the next one, if none is. */
  readonly first: number;
  /** The sequence of the newest frame ever stored; 0 before the first. */
  readonly last: number;
}

/** A stream as the server describes it (NATS documentation, "JetStream wire API reference"). */
interface StreamInfo {
  readonly created: string;
  readonly config: {
    readonly subjects?: readonly string[];
    readonly retention: string;
    readonly discard: string;
    readonly max_msg_size?: number;
    readonly sealed?: boolean;
  };
  readonly state: { readonly first_seq: number; readonly last_seq: number };
}

interface ApiError {
  readonly err_code?: number;
  readonly description?: string;
}

const streamNotFound = 10_059;
const streamNameInUse = 10_058;
const subjectsOverlap = 10_065;

const nanosecondsPerMs = 1_000_000;
/** A cluster that is choosing the stream's leader leaves a question unanswered for good: it is asked again after this long. */
const patienceMs = 1_000;
/** A consumer whose node is gone is removed by the server after this long. */
const inactiveMs = 30_000;

/** What the server refused, with its code. */
class Refusal extends Error {
  readonly code: number;

  constructor({ err_code = 0, description = "refused" }: ApiError) {
    super(`JetStream: ${description} (${err_code})`);
    this.code = err_code;
  }
}

/** Whether JetStream said that it knows no such stream. */
export const isStreamNotFound = (error: unknown): boolean => error instanceof Refusal && error.code === streamNotFound;

/**
 * The stream that keeps broadcasts, by requests to JetStream's API: both clients can send those, where their JetStream
 * libraries differ.
 */
export class Stream {
  readonly #connection: NatsClient;
  readonly #settings: StreamSettings;
  readonly #subject: string;
  readonly #frameBytes: number;
  #ready: Promise<StreamState> | undefined;

  /** @param subject What it keeps. @param frameBytes The largest message it must take. */
  constructor(connection: NatsClient, settings: StreamSettings, subject: string, frameBytes: number) {
    this.#connection = connection;
    this.#settings = settings;
    this.#subject = subject;
    this.#frameBytes = frameBytes;
  }

  /** Resolves once there is such a stream; costs nothing after the first time. @throws {WarpError} As `state` does. */
  ready(timeoutMs: number): Promise<StreamState> {
    this.#ready ??= this.state(timeoutMs).catch((error: unknown) => {
      this.#ready = undefined;
      throw error;
    });
    return this.#ready;
  }

  /** To be called when it seems to be gone. */
  forget(): void {
    this.#ready = undefined;
  }

  /**
   * Its state now; creates it if there is none.
   * @throws {WarpError} `UNSUPPORTED` if there is one of that name that is not fit for a bus.
   */
  async state(timeoutMs: number): Promise<StreamState> {
    const info = await this.#infoOrCreate(timeoutMs);
    this.#requireFit(info);
    return { created: info.created, first: info.state.first_seq, last: info.state.last_seq };
  }

  /** Stores a frame. Resolves once the stream has it, on most of its replicas. */
  async publish(data: Uint8Array, timeoutMs: number): Promise<void> {
    await this.#ask(this.#subject, data, timeoutMs);
  }

  /** Has the server deliver what the stream has from `from` on. It stops when the subject has had no subscriber for a while. */
  async deliver(to: string, from: number, heartbeatMs: number, timeoutMs: number): Promise<void> {
    const config = {
      deliver_subject: to,
      deliver_policy: "by_start_sequence",
      opt_start_seq: from,
      ack_policy: "none",
      max_deliver: 1,
      replay_policy: "instant",
      flow_control: true,
      idle_heartbeat: heartbeatMs * nanosecondsPerMs,
      inactive_threshold: inactiveMs * nanosecondsPerMs,
      num_replicas: 1,
      mem_storage: true,
    };
    await this.#api("CONSUMER.CREATE", { stream_name: this.#settings.stream, config }, timeoutMs);
  }

  async #infoOrCreate(timeoutMs: number): Promise<StreamInfo> {
    try {
      return await this.#info(timeoutMs);
    } catch (error) {
      if (!isStreamNotFound(error)) throw error;
    }
    try {
      return await this.#create(timeoutMs / 2);
    } catch (error) {
      // Another node was first, with other options; or at the same time, and then this one is left without an answer,
      // or is told by a single server that the subject is in use: by this very stream.
      if (error instanceof Refusal && error.code !== streamNameInUse && error.code !== subjectsOverlap) throw error;
      return await this.#infoInsteadOf(error, timeoutMs / 2);
    }
  }

  async #infoInsteadOf(refusal: unknown, timeoutMs: number): Promise<StreamInfo> {
    try {
      return await this.#info(timeoutMs);
    } catch (error) {
      throw isStreamNotFound(error) ? refusal : error;
    }
  }

  async #info(timeoutMs: number): Promise<StreamInfo> {
    const questions = Math.max(1, Math.floor(timeoutMs / patienceMs));
    for (let left = questions; ; left--) {
      try {
        return (await this.#api("STREAM.INFO", undefined, timeoutMs / questions)) as StreamInfo;
      } catch (error) {
        if (left === 1 || error instanceof Refusal) throw error;
      }
    }
  }

  #create(timeoutMs: number): Promise<StreamInfo> {
    const { stream, replicas, storage, maxAgeMs, maxBytes, maxMessages } = this.#settings;
    const config = {
      name: stream,
      subjects: [this.#subject],
      retention: "limits",
      discard: "old",
      storage,
      num_replicas: replicas,
      max_age: Math.ceil(maxAgeMs) * nanosecondsPerMs,
      max_bytes: maxBytes,
      max_msgs: maxMessages,
      max_consumers: -1,
      // The server wants it no longer than the age. Frames carry no ids: none is taken for a duplicate.
      duplicate_window: Math.min(120_000, Math.ceil(maxAgeMs)) * nanosecondsPerMs,
    };
    return this.#api("STREAM.CREATE", config, timeoutMs) as Promise<StreamInfo>;
  }

  #requireFit({ config }: StreamInfo): void {
    const { stream } = this.#settings;
    const { subjects = [], retention, discard, max_msg_size = -1, sealed = false } = config;
    const problems = [
      subjects.length === 1 && subjects[0] === this.#subject ? [] : [`its only subject must be ${this.#subject}`],
      retention === "limits" ? [] : ['its retention must be "limits"'],
      discard === "old" ? [] : ['it must discard "old"'],
      max_msg_size === -1 || max_msg_size >= this.#frameBytes
        ? []
        : [`its largest message must be at least ${this.#frameBytes} bytes`],
      sealed ? ["it must not be sealed"] : [],
    ].flat();
    if (problems.length === 0) return;
    throw new WarpError("UNSUPPORTED", `the stream ${stream} is not fit for a bus: ${problems.join(", ")}`, {
      port: "bus",
    });
  }

  #api(name: string, body: unknown, timeoutMs: number): Promise<unknown> {
    const data = body === undefined ? new Uint8Array() : Buffer.from(JSON.stringify(body));
    return this.#ask(`$JS.API.${name}.${this.#settings.stream}`, data, timeoutMs);
  }

  async #ask(subject: string, data: Uint8Array, timeoutMs: number): Promise<unknown> {
    const answer = await this.#connection.request(subject, data, { timeout: Math.max(1, Math.ceil(timeoutMs)) });
    const parsed = JSON.parse(Buffer.from(answer.data).toString()) as { error?: ApiError };
    if (parsed.error !== undefined) throw new Refusal(parsed.error);
    return parsed;
  }
}

/** What rejects where JetStream is not there, or has no leader. */
export const streamError = (operation: string, cause: unknown): WarpError => {
  if (WarpError.is(cause)) return cause;
  const message =
    cause instanceof Refusal
      ? cause.message
      : `JetStream did not answer: is it on, and has it a leader? (${messageOf(cause)})`;
  return busError("UNAVAILABLE", message, operation, cause);
};
