/** A piece of work under way. */
export interface Span {
  /** Ends it; `error` marks it failed. */
  end(error?: unknown): void;
}

/** Where spans go; a thin layer over OpenTelemetry's. */
export interface Tracer {
  /**
   * Called as the work begins.
   * @param name `warp.` and the public call, or `warp.` and the port that is asked.
   * @param attributes What is known of it: `operation`, and `key` where it is about one.
   */
  startSpan(name: string, attributes: Readonly<Record<string, string | number | boolean>>): Span;
}
