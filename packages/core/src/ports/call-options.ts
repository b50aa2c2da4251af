/**
 * What core passes with every call to a port that does I/O. Not to be copied with `{ ...options }`: core makes `signal`
 * when it is asked for.
 */
export interface CallOptions {
  /** Aborted when nobody waits any more. An adapter whose client cannot abort may ignore it: core's deadline holds anyway. */
  readonly signal?: AbortSignal | undefined;
  /** As `signal.aborted`, for whoever asks nothing else: a signal costs much of a call. Default: as the signal says. See `isAborted`. */
  readonly aborted?: boolean | undefined;
  /** The deadline, in milliseconds from now: an adapter also sets it at the server where that knows timeouts. */
  readonly timeoutMs?: number | undefined;
}

/** Whether nobody waits for a call any more: then it need not be sent. */
export const isAborted = (options: CallOptions | undefined): boolean =>
  options !== undefined && (options.aborted ?? options.signal?.aborted ?? false);
