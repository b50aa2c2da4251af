/** Every code a `WarpError` can carry. The set is closed: a new one is a breaking change. */
export const warpErrorCodes = [
  "INVALID_ARGUMENT",
  "INVALID_VALUE",
  "UNREGISTERED",
  "UNSUPPORTED",
  "NOT_FOUND",
  "CONFLICT",
  "CAS_MISMATCH",
  "DEADLINE_EXCEEDED",
  "UNAVAILABLE",
  "QUORUM_NOT_SATISFIED",
  "OUTCOME_UNKNOWN",
  "OVERLOADED",
  "CORRUPT",
  "HISTORY_UNAVAILABLE",
  "LEASE_ENDED",
  "ABORTED",
  "CLOSED",
] as const;

/** One code of the closed set; `docs/errors.md` says of each whether to retry and what the store then holds. */
export type WarpErrorCode = (typeof warpErrorCodes)[number];

/** The collaborator a failure came from. */
export type PortName = "local-cache" | "shared-cache" | "store" | "bus" | "change-feed" | "loader" | "codec" | "merge";

export interface WarpErrorDetails {
  readonly key?: string | undefined;
  /** The public call that failed, for example `"getOrSet"`. */
  readonly operation?: string | undefined;
  readonly port?: PortName | undefined;
  /** For calls on many keys: what went wrong with each. */
  readonly errors?: ReadonlyMap<string, WarpError> | undefined;
  /** For `CONFLICT` from a store: the keys that moved, with what the store holds now. */
  readonly conflicts?: ReadonlyMap<string, unknown> | undefined;
  /** For `CAS_MISMATCH`: the keys whose value was not the expected one. */
  readonly keys?: readonly string[] | undefined;
  /** For `QUORUM_NOT_SATISFIED`. */
  readonly required?: number | undefined;
  /** For `QUORUM_NOT_SATISFIED`. */
  readonly acknowledged?: number | undefined;
}

// A registered symbol is the same in every copy of this package, which a class identity is not.
const brand: unique symbol = Symbol.for("@warp/core/WarpError") as never;

/** Every failure Warp reports. Branch on `code`; `message` is for people and may change. */
export class WarpError extends Error implements WarpErrorDetails {
  override readonly name: string = "WarpError";
  readonly code: WarpErrorCode;
  readonly key: string | undefined;
  readonly operation: string | undefined;
  readonly port: PortName | undefined;
  readonly errors: ReadonlyMap<string, WarpError> | undefined;
  readonly conflicts: ReadonlyMap<string, unknown> | undefined;
  readonly keys: readonly string[] | undefined;
  readonly required: number | undefined;
  readonly acknowledged: number | undefined;

  constructor(code: WarpErrorCode, message: string, options: ErrorOptions & WarpErrorDetails = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.key = options.key;
    this.operation = options.operation;
    this.port = options.port;
    this.errors = options.errors;
    this.conflicts = options.conflicts;
    this.keys = options.keys;
    this.required = options.required;
    this.acknowledged = options.acknowledged;
    Object.defineProperty(this, brand, { value: true });
  }

  /** Holds across realms and across two copies of @warp/core, where `instanceof` does not. */
  static is(value: unknown): value is WarpError {
    return typeof value === "object" && value !== null && brand in value;
  }

  /** Whether `value` is a `WarpError` with this code. */
  static has(value: unknown, code: WarpErrorCode): value is WarpError {
    return WarpError.is(value) && value.code === code;
  }
}
