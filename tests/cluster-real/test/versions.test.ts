import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { Journal } from "../src/checks.ts";
import { Cluster } from "../src/cluster.ts";
import { openPorts, type Ports } from "../src/compose.ts";
import type { Health, Values } from "../src/protocol.ts";
import { Truth } from "../src/settle.ts";
import { Site } from "../src/site.ts";
import { until } from "../src/until.ts";

// No format but the first has been released. Its bytes are put together here by hand, and not by core: what a node of
// that release sends must go on being understood. (packages/core/test/golden holds recorded ones.)
const text = (value: string): readonly number[] => [Buffer.byteLength(value), ...Buffer.from(value)];
const double = (value: number): readonly number[] => {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return [...bytes];
};
const body = (kind: number, payload: readonly number[]): readonly number[] => [kind, payload.length, ...payload];
const drop = (keys: readonly string[]): readonly number[] => body(1, [1, keys.length, ...keys.flatMap(text)]);
/** A kind of news that this version has not heard of. */
const novelty = body(99, [1, 2, 3]);
const firstFrame = (cluster: string, bodies: readonly (readonly number[])[]): Uint8Array =>
  Uint8Array.from([
    ...[0x57, 1, ...text("old-release"), 0, ...text(cluster), ...text("its-life"), 1, ...double(Date.now())],
    ...bodies.flat(),
  ]);
const laterFrame = Uint8Array.from([0x57, 2, ...text("new-release"), 255, 254, 253]);
const laterEntry = Uint8Array.from([0x77, 2, 255, 254, 253]);

describe("a node of another release beside these", () => {
  const site = new Site();
  const journal = new Journal();
  let cluster: Cluster;
  let other: Ports;
  beforeAll(async () => {
    const combination = { bus: "nats", store: "pg", cache: "memory+redis" } as const;
    cluster = await Cluster.start({ site, combination, journal, seed: 31, nodes: 2, maxEntries: 100 });
    const { addresses } = cluster.node(0).settings;
    other = await openPorts(combination, addresses, cluster.run);
  });
  afterAll(async () => {
    await other?.close();
    await cluster?.stop();
    await site.stop();
  });
  const health = (node: number): Promise<Health> => cluster.node(node).ask({ ask: "health" });
  const values = (node: number, keys: readonly string[]): Promise<Values> =>
    cluster.node(node).ask({ ask: "values", keys });

  it("a frame of the first format drops what it names, and news of an unknown kind in it are skipped", async () => {
    await using truth = await Truth.of(cluster);
    await cluster.node(0).ask({ ask: "write", entries: [["plain:a", "before"]] });
    // On a busy machine a heartbeat may be late: what it makes suspect is not kept.
    const keepsIt = async (): Promise<boolean> => {
      await values(1, ["plain:a"]);
      return (await cluster.node(1).ask<Values>({ ask: "peeks", keys: ["plain:a"] }))[0] === "before";
    };
    expect(await until(keepsIt, 20_000)).toBeDefined();
    await truth.warp.set("plain:a", "after");
    await other.sharedCache?.drop(["plain:a"]);
    await other.bus.publish(firstFrame(cluster.run, [novelty, drop(["plain:a"])]));
    const dropped = async (): Promise<boolean> => (await values(1, ["plain:a"]))[0] === "after";
    expect(await until(dropped, 10_000)).toBeDefined();
  });

  it("frames of a later format are counted and logged once, and harm nobody", async () => {
    for (let times = 0; times < 5; times += 1) await other.bus.publish(laterFrame);
    const counted = async (): Promise<boolean> => (await health(1)).counts["frames_total received version"] === 5;
    expect(await until(counted, 10_000)).toBeDefined();
    expect((await health(1)).logged).toMatchObject({ "frames of this sender are refused": 1 });
    await cluster.node(0).ask({ ask: "write", entries: [["plain:b", "still told"]] });
    expect(await until(async () => (await values(1, ["plain:b"]))[0] === "still told", 10_000)).toBeDefined();
  });

  it("an entry of a later format in the shared tier is a miss", async () => {
    await cluster.node(0).ask({ ask: "write", entries: [["plain:c", "stored"]] });
    await other.sharedCache?.put([{ key: "plain:c", bytes: laterEntry, ttlMs: 60_000, token: undefined }]);
    const newcomer = await cluster.join(0);
    expect(await newcomer.ask({ ask: "values", keys: ["plain:c"] })).toEqual(["stored"]);
    expect(journal.problems).toEqual([]);
  });
});
