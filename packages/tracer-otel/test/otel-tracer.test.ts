import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { type Tracer as ApiTracer, context, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { MemoryStore, type Store, silentLogger, Warp } from "@warp/core";
import { OtelTracer, type OtelTracerClient } from "../src/index.ts";

({}) as ApiTracer satisfies OtelTracerClient;

const exporter = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
const tracer = provider.getTracer("test");
const spans = (): Map<string, ReadableSpan> => new Map(exporter.getFinishedSpans().map((span) => [span.name, span]));

beforeEach(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  exporter.reset();
});
afterEach(() => context.disable());

const openNode = (store: Store = new MemoryStore()): Warp => {
  const warp = new Warp({ node: "a", store, tracer: new OtelTracer(tracer), logger: silentLogger });
  warp.register("user:*", { ttl: "1m" });
  return warp;
};

describe("spans in OpenTelemetry", () => {
  it("are made for a call and for what it asks of a port, under the caller's own span", async () => {
    const warp = openNode();
    const request = tracer.startSpan("request");
    await context.with(trace.setSpan(context.active(), request), () => warp.set("user:1", "Ada"));
    request.end();
    await warp.close();
    const call = spans().get("warp.set");
    const port = spans().get("warp.store");
    expect(call).toMatchObject({ kind: SpanKind.INTERNAL, attributes: { "warp.node": "a" } });
    expect(port).toMatchObject({ kind: SpanKind.CLIENT, attributes: { "warp.operation": "set" } });
    for (const span of [call, port]) {
      expect(span?.spanContext().traceId).toBe(request.spanContext().traceId);
      expect(span?.parentSpanContext?.spanId).toBe(request.spanContext().spanId);
      expect(span?.status.code).toBe(SpanStatusCode.UNSET);
    }
  });

  it("say why a call failed, by Warp's code", async () => {
    const silent = new MemoryStore();
    const down: Store = Object.create(silent, {
      getMany: { value: () => Promise.reject(new Error("connection refused")) },
      get: { value: () => Promise.reject(new Error("connection refused")) },
    });
    const warp = openNode(down);
    await expect(warp.get("user:1")).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await warp.close();
    const span = spans().get("warp.get");
    expect(span?.status).toMatchObject({ code: SpanStatusCode.ERROR, message: expect.stringContaining("refused") });
    expect(span?.attributes).toMatchObject({ "error.type": "UNAVAILABLE" });
    expect(span?.events[0]).toMatchObject({ name: "exception", attributes: { "exception.type": "WarpError" } });
  });

  it("do not fail where a key does not exist", async () => {
    const warp = openNode();
    await expect(warp.get("user:none")).rejects.toMatchObject({ code: "NOT_FOUND" });
    await warp.close();
    expect(spans().get("warp.get")?.status.code).toBe(SpanStatusCode.UNSET);
  });

  it("are not made for what memory answers at once", async () => {
    const warp = openNode();
    await warp.set("user:1", "Ada");
    exporter.reset();
    expect(await warp.get("user:1")).toBe("Ada");
    expect(exporter.getFinishedSpans()).toEqual([]);
    await warp.close();
  });

  it("take an error that is none", () => {
    new OtelTracer(tracer).startSpan("warp.get", {}).end("plain words");
    expect(spans().get("warp.get")?.status).toEqual({ code: SpanStatusCode.ERROR, message: "plain words" });
  });
});
