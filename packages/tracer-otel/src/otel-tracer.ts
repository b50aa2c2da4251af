import { type Span, type Tracer, WarpError } from "@warp/core";
import type { OtelSpan, OtelTracerClient } from "./otel-client.ts";

const internal = 0;
const client = 2;
const failed = 2;

/** Names that begin so are of calls to a port, which another process answers. */
const ports: ReadonlySet<string> = new Set(["warp.shared-cache", "warp.store", "warp.bus"]);

const nameOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "name" in error ? String(error.name) : typeof error;

const messageOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "message" in error ? String(error.message) : String(error);

const stackOf = (error: unknown): { readonly stack?: string } =>
  typeof error === "object" && error !== null && "stack" in error && typeof error.stack === "string"
    ? { stack: error.stack }
    : {};

class EndableSpan implements Span {
  readonly #span: OtelSpan;

  constructor(span: OtelSpan) {
    this.#span = span;
  }

  end(error?: unknown): void {
    // That a key does not exist is an answer.
    if (error !== undefined && !WarpError.has(error, "NOT_FOUND")) {
      const message = messageOf(error);
      if (WarpError.is(error)) this.#span.setAttribute("error.type", error.code);
      this.#span.recordException({ name: nameOf(error), message, ...stackOf(error) });
      this.#span.setStatus({ code: failed, message });
    }
    this.#span.end();
  }
}

/**
 * Warp's spans in OpenTelemetry: one for each call that is not answered from memory at once, and one for each call to a
 * port, of kind CLIENT. Their parent is the span that is active where the call was made, as that of an HTTP request.
 * A round trip that several callers share is a span of the first of them. A failure is recorded as an exception, with
 * Warp's error code as `error.type` (OpenTelemetry semantic conventions, "Recording errors").
 */
export class OtelTracer implements Tracer {
  readonly #tracer: OtelTracerClient;

  /** @param tracer As `trace.getTracer("warp")` of `@opentelemetry/api`: made, sampled and shut down by the caller. */
  constructor(tracer: OtelTracerClient) {
    this.#tracer = tracer;
  }

  startSpan(name: string, attributes: Readonly<Record<string, string | number | boolean>>): Span {
    const kind = ports.has(name) ? client : internal;
    const named = Object.fromEntries(Object.entries(attributes).map(([field, value]) => [`warp.${field}`, value]));
    return new EndableSpan(this.#tracer.startSpan(name, { kind, attributes: named }));
  }
}
