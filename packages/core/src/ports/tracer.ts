/** A piece of work under way. */
export interface Span {
  /** Ends it; `error` marks it failed. */
  end(error?: unknown): void;
}

/** Where spans go; a thin layer over OpenTelemetry's. */
export interface Tracer {
  startSpan(name: string, attributes: Readonly<Record<string, string | number | boolean>>): Span;
}
