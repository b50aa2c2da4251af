import { expect, it } from "@jest/globals";
import type { Tracer } from "../src/index.ts";
import { failureOf } from "./support/outcomes.ts";
import { ReadWorld } from "./support/read-world.ts";

interface Seen {
  readonly name: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  ended: boolean;
  error: unknown;
}

/** Keeps every span. */
const recording = (): { tracer: Tracer; spans: Seen[] } => {
  const spans: Seen[] = [];
  const tracer: Tracer = {
    startSpan: (name, attributes) => {
      const span: Seen = { name, attributes, ended: false, error: undefined };
      spans.push(span);
      return {
        end: (error) => {
          span.ended = true;
          span.error = error;
        },
      };
    },
  };
  return { tracer, spans };
};

it("a call and the port that it asks have spans of their own, ended; a hit on the local tier has none", async () => {
  const world = new ReadWorld();
  const { tracer, spans } = recording();
  const node = world.node({}, { tracer, node: "a" });
  node.register("k", { ttl: "1m" });
  await node.find("k");
  await node.set("k", 1);
  spans.length = 0;
  expect(await node.get("k")).toBe(1);
  expect(spans).toEqual([]);
  await node.get("k", { refresh: true });
  expect(spans.map(({ name, attributes, ended }) => [name, attributes, ended])).toEqual([
    ["warp.get", { node: "a" }, true],
    ["warp.store", { operation: "get", key: "k" }, true],
  ]);
  expect(spans.map(({ error }) => error)).toEqual([undefined, undefined]);
  await node.close();
});

it("a span of what failed ends with its error", async () => {
  const world = new ReadWorld();
  const { tracer, spans } = recording();
  const node = world.node({}, { tracer });
  node.register("k", { ttl: "1m" });
  world.storeFaults.mode = "refuses";
  const error = await failureOf(node.get("k"));
  expect(error.code).toBe("UNAVAILABLE");
  expect(spans.map(({ name, ended }) => [name, ended])).toEqual([
    ["warp.get", true],
    ["warp.store", true],
  ]);
  expect(spans[0]?.error).toBe(error);
  expect(spans[1]?.error).toBeDefined();
  await node.close();
});
