import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type FaultProxy, startFaultProxy } from "@warp/tests-services/fault-proxy";
import { type RunningService, startService } from "@warp/tests-services/servers";
import { connect } from "nats";
import { Child } from "../child.ts";
import type { Order } from "../neighbour.ts";
import type { Answer, Question } from "../question.ts";
import { median } from "../statistics.ts";
import { type DistributedNode, distributed, localOnNats, warpOnKafka, warpOnNats } from "../subjects/distributed.ts";

const samples = 200;
const keys = Array.from({ length: 5_000 }, (_, n) => `shared:${n}`);
const program = fileURLToPath(new URL("../neighbour.js", import.meta.url));
/** How long a node may take to find out that it missed something. */
const settleMs = 6_000;
/** The longest wait for a hundred writes. */
const writeMs = 2_000;

/** The node of the other process. */
type Neighbour = Child<Order>;

const startNeighbour = (name: string, meeting: { readonly redis: string; readonly bus: string }): Promise<Neighbour> =>
  Child.start(program, [name, JSON.stringify(meeting)]);

const nowNs = (): number => Number(process.hrtime.bigint());

const setAll = async (node: DistributedNode, n: number): Promise<void> => {
  for (let at = 0; at < keys.length; at += 100)
    await Promise.race([
      Promise.all(keys.slice(at, at + 100).map((key) => node.set(key, { n }).catch(() => {}))),
      pause(writeMs, undefined, { ref: false }),
    ]);
};

/** Milliseconds from the call until the other process has noticed, one change after another. */
const delays = async (own: DistributedNode, other: Neighbour, dropsOnly: boolean): Promise<readonly number[]> => {
  const found: number[] = [];
  for (let n = 0; n < samples; n++) {
    const key = `latency:${n % 50}`;
    await own.set(key, { n: -1 - n });
    await other.tell({ kind: "await-value", key, n: -1 - n });
    await other.tell({ kind: "hold", keys: [key] });
    const noticed = other.tell(dropsOnly ? { kind: "await-drop", key } : { kind: "await-value", key, n });
    // It has begun to look by then.
    await pause(2);
    const began = nowNs();
    void (dropsOnly ? own.invalidate?.(key) : own.set(key, { n }))?.catch(() => {});
    found.push((Number(await noticed) - began) / 1e6);
  }
  return found.filter((value) => Number.isFinite(value));
};

/** As `delays`, for nodes whose copies are of one process: each makes its own first. */
const localDelays = async (own: DistributedNode, other: Neighbour): Promise<readonly number[]> => {
  const found: number[] = [];
  for (let n = 0; n < samples; n++) {
    const key = `latency:${n}`;
    await other.tell({ kind: "write", keys: [key], n });
    const noticed = other.tell({ kind: "await-drop", key });
    await pause(2);
    const began = nowNs();
    void own.invalidate?.(key).catch(() => {});
    found.push((Number(await noticed) - began) / 1e6);
  }
  return found.filter((value) => Number.isFinite(value));
};

/** How many keys the other process still has otherwise than this one, once everything had its time. */
const stale = async (own: DistributedNode, other: Neighbour): Promise<number> => {
  let differing = keys.length;
  for (const deadline = performance.now() + settleMs; differing > 0 && performance.now() < deadline; await pause(500)) {
    const theirs = (await other.tell({ kind: "read", keys })) as (number | null)[] | null;
    if (theirs === null) return keys.length;
    const mine = await Promise.all(keys.map(async (key) => (await own.get(key))?.n ?? null));
    differing = mine.filter((n, at) => n !== theirs[at]).length;
  }
  return differing;
};

interface Row {
  readonly name: string;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly lost: number;
  readonly race: number;
  readonly writers: number;
  readonly unhandled: number;
}

/** In this process; the other one counts its own. */
let unhandledHere = 0;

const measure = async (name: string, redis: string, bus: string, proxy: FaultProxy): Promise<Row> => {
  const subject = distributed[name] as (typeof distributed)[string];
  const unhandledBefore = unhandledHere;
  const proxied = new URL(bus);
  proxied.port = String(proxy.port);
  const own = await subject.open({ redis, bus });
  const other = await startNeighbour(name, { redis, bus: proxied.href });
  const times = await delays(own, other, false);
  await setAll(own, 1);
  await other.tell({ kind: "hold", keys });
  proxy.cut();
  await setAll(own, 2);
  proxy.heal();
  const lost = await stale(own, other);
  await other.tell({ kind: "read-on", keys });
  await setAll(own, 3);
  await other.tell({ kind: "stop-reading" });
  const race = await stale(own, other);
  await Promise.all([setAll(own, 4), other.tell({ kind: "write", keys, n: 5 })]);
  const writers = await stale(own, other);
  const unhandled = Number(await other.tell({ kind: "count-unhandled" })) + unhandledHere - unhandledBefore;
  await other.end();
  void own.close().catch(() => {});
  const sorted = [...times].sort((a, b) => a - b);
  return {
    name,
    p50Ms: median(times),
    p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN,
    lost,
    race,
    writers,
    unhandled,
  };
};

/** Milliseconds for a question to the other process and its answer, over NATS alone. */
const roundTrip = async (other: Neighbour, nats: string): Promise<number> => {
  await other.tell({ kind: "echo", nats });
  const connection = await connect({ servers: nats });
  const found: number[] = [];
  for (let n = 0; n < samples; n++) {
    await pause(2);
    const began = nowNs();
    await connection.request("echo");
    found.push((nowNs() - began) / 1e6);
  }
  await connection.close();
  return median(found);
};

/** Nothing but the bus: how long until a copy is gone elsewhere, beside a round trip. */
const measureBus = async (meeting: { readonly redis: string; readonly bus: string }) => {
  const own = await (distributed[localOnNats] as (typeof distributed)[string]).open(meeting);
  const other = await startNeighbour(localOnNats, meeting);
  await localDelays(own, other);
  const tripMs = await roundTrip(other, meeting.bus);
  const times = await localDelays(own, other);
  await other.end();
  await own.close();
  const sorted = [...times].sort((a, b) => a - b);
  return { tripMs, p50Ms: median(times), p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN };
};

const targetsOf = (rows: readonly Row[], busRatio: number): Answer["targets"] => {
  const own = rows.filter(({ name }) => name === warpOnNats || name === warpOnKafka);
  const worstOf = (pick: (row: Row) => number): number => Math.max(...own.map(pick));
  return [
    {
      what: "invalidation over NATS, p50, × a round trip",
      value: busRatio,
      bound: "at most",
      limit: 1,
    },
    {
      what: "keys stale after lost messages, of 5 000",
      value: worstOf(({ lost }) => lost),
      bound: "at most",
      limit: 0,
    },
    { what: "keys stale after reads meanwhile", value: worstOf(({ race }) => race), bound: "at most", limit: 0 },
    { what: "keys stale after two writers", value: worstOf(({ writers }) => writers), bound: "at most", limit: 0 },
    {
      what: "errors of Warp's nodes that nobody handled",
      value: worstOf(({ unhandled }) => unhandled),
      bound: "at most",
      limit: 0,
    },
  ];
};

const ask = async (): Promise<Answer> => {
  process.on("unhandledRejection", () => unhandledHere++);
  const servers: Record<"redis" | "nats" | "kafka", RunningService> = {
    redis: await startService("redis"),
    nats: await startService("nats"),
    kafka: await startService("kafka"),
  };
  const bus = await measureBus({ redis: servers.redis.url, bus: servers.nats.url });
  const rows: Row[] = [];
  for (const [name, subject] of Object.entries(distributed)) {
    if (name === localOnNats) continue;
    const { url } = servers[subject.bus];
    const proxy = await startFaultProxy({ host: "127.0.0.1", port: Number(new URL(url).port) });
    console.error(`${name} …`);
    rows.push(await measure(name, servers.redis.url, url, proxy));
    await proxy.stop();
  }
  await Promise.all(Object.values(servers).map((server) => server.stop()));
  return {
    columns: [
      "",
      "p50: ms",
      "p99: ms",
      "stale: lost messages",
      "stale: reads meanwhile",
      "stale: two writers",
      "unhandled errors",
    ],
    rows: [
      ["NATS, question and answer", bus.tripMs, "–", "–", "–", "–", "–"],
      [`${localOnNats}: the copy is gone`, bus.p50Ms, bus.p99Ms, "–", "–", "–", "–"],
      ...rows.map(({ name, p50Ms, p99Ms, lost, race, writers, unhandled }) => [
        name,
        p50Ms,
        p99Ms,
        lost,
        race,
        writers,
        unhandled,
      ]),
    ],
    targets: targetsOf(rows, bus.p50Ms / bus.tripMs),
  };
};

export const propagation: Question = {
  name: "propagation",
  title: "When does another process notice a change, and does it always?",
  method: `Two processes, each with a local tier, values in Redis (node-redis: the client's own cache), told over the bus named; settings as they come. p50 and p99 of ${samples} changes, from the call of set until the other process reads the new value; for the bus alone, from invalidate until the other's copy is gone. Then ${keys.length} keys are set while the other process is cut off from its bus, while it reads them all the time, and by both at once: how many it still has otherwise ${settleMs / 1000} s later. Unhandled errors are those of both processes, each of which would have ended one.`,
  ask,
};
