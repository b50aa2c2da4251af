/** The part of OpenTelemetry's `Span` that this package calls. */
export interface OtelSpan {
  /** Adds the error as an event. */
  recordException(exception: { readonly name: string; readonly message: string; readonly stack?: string }): void;
  /** Marks it. @param status `code` 2 is `SpanStatusCode.ERROR`. */
  setStatus(status: { readonly code: 2; readonly message: string }): unknown;
  /** Adds one attribute. */
  setAttribute(name: string, value: string): unknown;
  /** Ends the span now. */
  end(): void;
}

/** The part of OpenTelemetry's `Tracer` that this package calls: of `trace.getTracer("warp")`, of any SDK. */
export interface OtelTracerClient {
  /** Starts a span whose parent is the one that is active where it is called. `kind` 2 is `SpanKind.CLIENT`, 0 `INTERNAL`. */
  startSpan(
    name: string,
    options: { readonly kind: 0 | 2; readonly attributes: Record<string, string | number | boolean> },
  ): OtelSpan;
}
