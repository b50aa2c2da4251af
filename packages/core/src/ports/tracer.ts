/** A piece of work under way. */
export interface Span {
  /** Ends it; `error` marks it failed. */
  end(error?: unknown): void;
}

/** Where spans go; a thin layer over OpenTelemetry's. */
export interface Tracer {
  /**
   * Called as the work begins; cheap, does not throw.
   * @param name `warp.` and the public call, as `warp.get`; or `warp.` and the port that is asked, as `warp.store`.
   * @param attributes Of a call the `node`; of a port the `operation`, and the `key` where it is about one.
   */
  startSpan(name: string, attributes: Readonly<Record<string, string | number | boolean>>): Span;
}
