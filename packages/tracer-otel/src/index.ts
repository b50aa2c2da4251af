export type { OtelSpan, OtelTracerClient } from "./otel-client.ts";
export { OtelTracer } from "./otel-tracer.ts";
