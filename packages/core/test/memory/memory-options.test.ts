import { expect, it } from "@jest/globals";
import { MemoryBus, MemoryNetwork, MemorySharedCache, MemoryStore } from "../../src/index.ts";

const bad = <T>(value: unknown): T => value as T;

it.each<[string, () => unknown]>([
  ["network must be a MemoryNetwork; got undefined", () => new MemoryBus(bad(undefined))],
  ["network must be a MemoryNetwork; got an object (Object)", () => new MemoryBus(bad({}))],
  ["maxFrameBytes must be a whole number of at least 1", () => new MemoryNetwork({ maxFrameBytes: 0 })],
  [
    'latencyMs must be a number of milliseconds, at least 0; got "1ms"',
    () => new MemoryNetwork({ latencyMs: bad("1ms") }),
  ],
  ["maxEntries must be a whole number of at least 1", () => new MemorySharedCache({ maxEntries: 1.5 })],
  [
    "landsWithinMs must be a number of milliseconds, at least 0; got number -1",
    () => new MemoryStore({ landsWithinMs: -1 }),
  ],
  ["tombstoneRetentionMs must be a number", () => new MemoryStore({ tombstoneRetentionMs: Number.NaN })],
])("a memory adapter refuses an option that makes no sense: %s", (message, make) => {
  expect(make).toThrow(
    expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringContaining(message) }),
  );
});
