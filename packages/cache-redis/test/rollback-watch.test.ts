import { describe, expect, it } from "@jest/globals";
import { RedisCache } from "../src/index.ts";
import { FakeClient, FakeConnection } from "./fake-client.ts";

const never = "0".repeat(40);

/** A cache that counts what it reports, and a way to hear an answer of some history about some key. */
const open = (
  client: FakeClient,
): {
  heard: () => number;
  hear: (key: string, history: string, former?: string) => Promise<void>;
  cancel: () => void;
} => {
  const cache = new RedisCache(client);
  let reports = 0;
  const cancel = cache.onRollback(() => {
    reports += 1;
  });
  const hear = async (key: string, history: string, former = never): Promise<void> => {
    client.answer = () => [Buffer.from(history === "" ? "" : `${history} ${former}`)];
    await cache.drop([key]);
  };
  return { heard: () => reports, hear, cancel };
};

describe("a possible rollback", () => {
  it("is a client that is ready again, but not one that is ready for the first time", () => {
    const client = new FakeClient();
    client.status = "connecting";
    const { heard, cancel } = open(client);
    client.become("ready");
    expect(heard()).toBe(0);
    client.become("close");
    client.become("ready");
    expect(heard()).toBe(1);
    cancel();
    client.become("ready");
    expect(heard()).toBe(1);
    expect(client.eventNames()).toEqual([]);
  });

  it("is an answer of another history, told before the answer is believed, and told again when it comes back", async () => {
    const { heard, hear } = open(new FakeClient());
    await hear("k", "a");
    await hear("k", "a");
    expect(heard()).toBe(0);
    await hear("k", "b", "a");
    expect(heard()).toBe(1);
    await hear("k", "b", "a");
    expect(heard()).toBe(1);
    await hear("k", "a");
    await hear("k", "b", "a");
    expect(heard()).toBe(3);
  });

  it("is nothing that a server says which does not tell its history", async () => {
    const { heard, hear } = open(new FakeClient());
    await hear("k", "a");
    await hear("k", "");
    await hear("k", "a");
    expect(heard()).toBe(0);
  });

  it("is told once when the slots of a Cluster follow one another to another master", async () => {
    const client = new FakeClient();
    client.isCluster = true;
    const { heard, hear } = open(client);
    for (const key of ["a", "b", "c"]) await hear(key, "first");
    await hear("d", "second");
    expect(heard()).toBe(0);
    for (const key of ["a", "b", "c"]) await hear(key, "second");
    expect(heard()).toBe(1);
  });

  it("is a promoted replica of a master that was known, though nothing was asked of that slot before", async () => {
    const client = new FakeClient();
    client.isCluster = true;
    const { heard, hear } = open(client);
    await hear("a", "first");
    await hear("b", "other");
    await hear("c", "third", "elsewhere");
    expect(heard()).toBe(0);
    await hear("d", "promoted", "first");
    expect(heard()).toBe(1);
  });

  it("is the loss of a Cluster's connection that was up, but not of one that never was or that its owner closes", () => {
    const client = new FakeClient();
    client.isCluster = true;
    const [first, lazy, later] = [new FakeConnection(), new FakeConnection(), new FakeConnection()];
    first.status = "ready";
    client.others.push(first, lazy);
    const { heard, cancel } = open(client);
    lazy.become("close");
    expect(heard()).toBe(0);
    first.become("close");
    expect(heard()).toBe(1);
    client.emit("-node", first);
    expect(first.eventNames()).toEqual([]);
    client.emit("+node", later);
    later.become("ready");
    later.become("close");
    expect(heard()).toBe(2);
    later.become("ready");
    client.status = "disconnecting";
    later.become("close");
    expect(heard()).toBe(2);
    cancel();
    expect([lazy, later, client].map((emitter) => emitter.eventNames())).toEqual([[], [], []]);
  });
});
