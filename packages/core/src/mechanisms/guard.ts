import { type PortName, WarpError, type WarpErrorDetails } from "../errors.ts";
import type { CallOptions } from "../ports/call-options.ts";
import type { Tracer } from "../ports/tracer.ts";
import type { Cancel, Clock } from "../values/clock.ts";
import type { Breaker } from "./breaker.ts";
import type { Histogram } from "./histogram.ts";
import { deadlineError } from "./wait.ts";

export interface GuardOptions {
  readonly port: PortName;
  readonly clock: Clock;
  /** Longest that a call may take, in milliseconds. */
  readonly deadlineMs: number;
  readonly breaker: Breaker | undefined;
  /** Where the time of calls is counted, by outcome. */
  readonly latency: (outcome: "ok" | "error" | "timeout") => Histogram;
  readonly tracer: Tracer | undefined;
}

export interface GuardedCall {
  readonly operation: string;
  readonly key?: string | undefined;
  /** Where the caller has less time than the port's deadline. */
  readonly timeoutMs?: number | undefined;
}

/**
 * The options of one call. Its signal is made when an adapter asks for it: most do not, and it costs much of a call. An
 * accessor of the class, since each object with one of its own is of a shape of its own to V8, and slow wherever it goes.
 */
class CancellableOptions implements CallOptions {
  readonly timeoutMs: number;
  #controller: AbortController | undefined;
  #aborted = false;

  constructor(timeoutMs: number) {
    this.timeoutMs = timeoutMs;
  }

  get aborted(): boolean {
    return this.#aborted;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort();
    }
    return this.#controller.signal;
  }

  abort(): void {
    this.#aborted = true;
    this.#controller?.abort();
  }
}

// These say something about the request, or are an answer: the other side is well.
const answers: ReadonlySet<string> = new Set([
  "CONFLICT",
  "CORRUPT",
  "HISTORY_UNAVAILABLE",
  "INVALID_VALUE",
  "INVALID_ARGUMENT",
  "UNSUPPORTED",
]);

/**
 * What stands around every call to a port: deadline, circuit breaker, timing, and one kind of error. An adapter's
 * `WarpError` passes as it is; anything else becomes `UNAVAILABLE` with the original as its cause.
 */
export class Guard {
  readonly #options: GuardOptions;

  constructor(options: GuardOptions) {
    this.#options = options;
  }

  get deadlineMs(): number {
    return this.#options.deadlineMs;
  }

  get state(): "closed" | "open" | "half-open" {
    return this.#options.breaker?.state ?? "closed";
  }

  /** @throws {WarpError} `UNAVAILABLE` at once while the breaker is open; `DEADLINE_EXCEEDED`; what the adapter throws. */
  call<T>(call: GuardedCall, run: (options: CallOptions) => Promise<T>): Promise<T> {
    const { port, breaker } = this.#options;
    if (breaker === undefined || breaker.allows) return this.#run(call, run);
    const message = `the ${port} is not answering; its circuit breaker is open`;
    return Promise.reject(new WarpError("UNAVAILABLE", message, this.#details(call)));
  }

  /** As `call`, whatever the breaker says: for the breaker's own probe. */
  probe<T>(call: GuardedCall, run: (options: CallOptions) => Promise<T>): Promise<T> {
    return this.#run(call, run);
  }

  // With as few promises as can be: this is part of every read that leaves the process.
  #run<T>(call: GuardedCall, run: (options: CallOptions) => Promise<T>): Promise<T> {
    // What throws in here rejects the call, also a tracer or a logger that is not Warp's.
    return new Promise<T>((resolve, reject) => {
      const { port, clock, deadlineMs, breaker, latency, tracer } = this.#options;
      const timeoutMs = Math.max(0, Math.min(deadlineMs, call.timeoutMs ?? deadlineMs));
      const options = new CancellableOptions(timeoutMs);
      const { operation, key } = call;
      const span = tracer?.startSpan(`warp.${port}`, key === undefined ? { operation } : { operation, key });
      const began = clock.monotonic();
      let ended = false;
      let cancel: Cancel | undefined;
      const onResult = (result: T): void => {
        if (ended) return;
        ended = true;
        cancel?.();
        try {
          breaker?.succeeded();
          latency("ok").observe((clock.monotonic() - began) / 1_000);
          span?.end();
          resolve(result);
        } catch (error) {
          reject(error);
        }
      };
      const onError = (error: unknown): void => {
        if (ended) return;
        ended = true;
        cancel?.();
        try {
          const timedOut = clock.monotonic() - began >= timeoutMs;
          options.abort();
          latency(timedOut ? "timeout" : "error").observe((clock.monotonic() - began) / 1_000);
          span?.end(error);
          if (WarpError.is(error) && answers.has(error.code)) breaker?.succeeded();
          // A caller in a hurry says nothing about the other side.
          else if (!timedOut || timeoutMs >= deadlineMs) breaker?.failed();
          reject(this.#wrap(error, timedOut, timeoutMs, this.#details(call)));
        } catch (another) {
          reject(another);
        }
      };
      try {
        run(options).then(onResult, onError);
        if (timeoutMs !== Number.POSITIVE_INFINITY)
          cancel = clock.schedule(timeoutMs, () => onError(deadlineError(timeoutMs, this.#details(call))));
      } catch (error) {
        onError(error);
      }
    });
  }

  #wrap(error: unknown, timedOut: boolean, timeoutMs: number, details: WarpErrorDetails): WarpError {
    if (WarpError.is(error)) return error;
    if (timedOut)
      return new WarpError("DEADLINE_EXCEEDED", deadlineError(timeoutMs, {}).message, { ...details, cause: error });
    const reason =
      error instanceof Error || (typeof error === "object" && error !== null && "message" in error)
        ? (error as Error).message
        : String(error);
    return new WarpError("UNAVAILABLE", `the ${this.#options.port} failed: ${reason}`, { ...details, cause: error });
  }

  #details(call: GuardedCall): WarpErrorDetails {
    return { port: this.#options.port, operation: call.operation, key: call.key };
  }
}

const copyOf = (error: WarpError, details: WarpErrorDetails): WarpError => {
  const { code, message, key, operation, port, errors, conflicts, keys, required, acknowledged, cause } = error;
  const all = { key, operation, port, errors, conflicts, keys, required, acknowledged, ...details };
  return new WarpError(code, message, cause === undefined ? all : { ...all, cause });
};

/** The failure of a call for many keys, as it is told to whoever asked for one of them. */
export const failureFor = (key: string, error: unknown): unknown =>
  !WarpError.is(error) || error.key !== undefined ? error : copyOf(error, { key });

/** The failure of a call that names its keys itself, where an adapter named none or a record that callers do not know. */
export const failureNaming = ({ operation, key }: GuardedCall, error: unknown): unknown =>
  !WarpError.is(error) || ((key === undefined || error.key === key) && error.operation !== undefined)
    ? error
    : copyOf(error, { key: key ?? error.key, operation: error.operation ?? operation });

/** The failure of a call for many records, as it is told to a call that was about something else. */
export const failureAbout = ({ operation, key }: GuardedCall, error: unknown): unknown =>
  WarpError.is(error) ? copyOf(error, { operation, key }) : error;

/** The failure of a call that several public calls share, as it is told to one of them. */
export const failureIn = (operation: string, error: WarpError): WarpError =>
  error.operation === operation ? error : copyOf(error, { operation });
