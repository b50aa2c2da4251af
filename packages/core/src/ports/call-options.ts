/** What core passes with every call to a port that does I/O. */
export interface CallOptions {
  /** Aborted when nobody waits any more. An adapter whose client cannot abort may ignore it: core's deadline holds anyway. */
  readonly signal?: AbortSignal | undefined;
  /** The deadline, in milliseconds from now: an adapter also sets it at the server where that knows timeouts. */
  readonly timeoutMs?: number | undefined;
}
