import type { Logger, LogMethod } from "../ports/logger.ts";
import { type Clock, systemClock } from "../values/clock.ts";

/** How much a line matters, least first. `jsonLogger` writes them as pino's 20, 30, 40 and 50. */
export type LogLevel = "debug" | "info" | "warn" | "error";

// pino's numbers, so that tools that read its lines read these.
const levels: Readonly<Record<LogLevel, number>> = { debug: 20, info: 30, warn: 40, error: 50 };

export interface JsonLoggerOptions {
  /** The least level that is written. Default `"info"`. */
  readonly level?: LogLevel | undefined;
  /** Takes one line, its line end included. Default: standard output. */
  readonly write?: ((line: string) => void) | undefined;
  /** Dates the lines. Default: the machine's clock. */
  readonly clock?: Pick<Clock, "now"> | undefined;
}

// A cause may be its own ancestor, and a chain as long as somebody likes.
const longestCauseChain = 8;

const describeError = (error: Error, depth: number): Readonly<Record<string, unknown>> => {
  const { code, key } = error as { code?: unknown; key?: unknown };
  return {
    type: error.name,
    message: error.message,
    ...(code === undefined ? {} : { code }),
    ...(key === undefined ? {} : { key }),
    stack: error.stack,
    ...(error.cause === undefined || depth === longestCauseChain ? {} : { cause: describe(error.cause, depth + 1) }),
  };
};

// Errors of another realm are no instances of this one's Error.
const isError = (value: unknown): value is Error =>
  value instanceof Error || Object.prototype.toString.call(value) === "[object Error]";

const describe = (value: unknown, depth = 0): unknown => {
  if (isError(value)) return describeError(value, depth);
  if (typeof value === "bigint") return String(value);
  return value;
};

const lineOf = (fields: Readonly<Record<string, unknown>>): string => {
  try {
    return JSON.stringify(fields, (_, value: unknown) => describe(value));
  } catch {
    // A field holds itself, or its toJSON throws: the line must come out all the same.
    const safe = Object.entries(fields).map(([name, value]) => {
      const simple = value === null || (typeof value !== "object" && typeof value !== "function");
      return [name, simple ? describe(value) : "[not serialisable]"];
    });
    return JSON.stringify(Object.fromEntries(safe));
  }
};

/**
 * A logger that writes JSON lines with pino's field names: `level` (20, 30, 40, 50), `time` (milliseconds since the
 * epoch), the fields, `msg`. Errors among the fields are written with type, message, code, key, stack and causes.
 * A line is never lost to a field that has no JSON form.
 */
export const jsonLogger = ({
  level = "info",
  write = (line) => process.stdout.write(line),
  clock = systemClock,
}: JsonLoggerOptions = {}): Logger => {
  const method = (name: LogLevel): LogMethod => {
    if (levels[name] < levels[level]) return () => undefined;
    return (fields, message) =>
      write(`${lineOf({ level: levels[name], time: Math.floor(clock.now()), ...fields, msg: message })}\n`);
  };
  return { debug: method("debug"), info: method("info"), warn: method("warn"), error: method("error") };
};

const nothing: LogMethod = () => undefined;

/** A logger that writes nothing. */
export const silentLogger: Logger = Object.freeze({ debug: nothing, info: nothing, warn: nothing, error: nothing });
