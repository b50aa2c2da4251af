// One node: a process that does what its parent tells it over IPC.
import { inspect } from "node:util";
import { type Clock, type Logger, MemoryCache, type MetricFamily, type Metrics, systemClock, Warp } from "@warp/core";
import { sum } from "@warp/merge";
import { openPorts } from "./compose.ts";
import { callOn, limitMs } from "./node-calls.ts";
import {
  type Entries,
  type FromNode,
  type Health,
  monotonicMs,
  type NodeSettings,
  type Operation,
  type Outcome,
  type Question,
  type ToNode,
  type Values,
} from "./protocol.ts";
import { Stalls } from "./stalls.ts";
import { historyPatterns } from "./strong-workload.ts";

const tell = (message: FromNode): void => {
  // A parent that is gone has no use for it; `disconnect` ends this process.
  if (process.connected) process.send?.(message, () => {});
};

process.on("unhandledRejection", (reason) =>
  tell({ type: "trouble", what: `unhandled rejection: ${inspect(reason)}` }),
);
process.on("uncaughtException", (error) => tell({ type: "trouble", what: `uncaught exception: ${inspect(error)}` }));
process.on("warning", (warning) => {
  if (warning.name === "MaxListenersExceededWarning")
    tell({ type: "trouble", what: `listeners pile up: ${warning.stack ?? warning.message}` });
});
process.on("disconnect", () => process.exit());

const settings = JSON.parse(process.env.WARP_TEST_NODE ?? "") as NodeSettings;
const stalls = new Stalls();
const logged: Record<string, number> = {};

const log = (_: unknown, message: string): void => {
  logged[message] = (logged[message] ?? 0) + 1;
};
const logger: Logger = { debug: () => {}, info: () => {}, warn: log, error: log };

let collect: () => readonly MetricFamily[] = () => [];
const metrics: Metrics = {
  attach: (collector) => {
    collect = collector;
    return () => {};
  },
};

const counts = (): Record<string, number> => {
  const all: Record<string, number> = {};
  for (const { name, kind, samples } of collect())
    for (const { labels, value } of samples)
      if (kind !== "histogram" && typeof value === "number" && value !== 0)
        all[[name.replace("warp_core_", ""), ...Object.values(labels)].join(" ")] = value;
  return all;
};

/** The machine's clock, wrong by some. */
const clock: Clock = { ...systemClock, now: () => systemClock.now() + (settings.clockOffsetMs ?? 0) };

/** Keys whose calls make a history. */
const registerRecorded = (warp: Warp): void => {
  const { mode = "strong-distributed", quorum } = settings;
  const { plain, sums, locks } = historyPatterns;
  warp.register(plain, { mode, ttl: "1h" });
  warp.register(sums, { mode, ttl: "1h", merge: sum() });
  warp.register(locks, { mode: "strong-distributed", ttl: "1h" });
  if (quorum === undefined) return;
  for (const pattern of mode === "strong-distributed" ? [plain, sums, locks] : [locks]) warp.setQuorum(pattern, quorum);
};

const open = async (): Promise<Warp> => {
  const { maxEntries, addresses, run, node } = settings;
  const { store, bus, sharedCache } = await openPorts(settings, addresses, run);
  const warp = new Warp({
    localCache: maxEntries > 0 && new MemoryCache({ maxEntries }),
    store,
    ...(settings.withoutBus !== true && { bus }),
    ...(sharedCache && { sharedCache }),
    ...{ cluster: run, node, logger, metrics, clock },
  });
  warp.register("plain:*", { ttl: "1h" });
  warp.register("count:*", { ttl: "1h", merge: sum() });
  // Nobody may depend on a TTL to get rid of an old copy: it is longer than any run.
  warp.register("churn:*", { ttl: "1h", storeTtl: "5s" });
  // Strong keys need a bus.
  if (settings.withoutBus !== true) registerRecorded(warp);
  await warp.ready();
  return warp;
};

const outcomes: Outcome[] = [];
const report = (outcome: Outcome): void => {
  if (outcomes.push(outcome) > 1) return;
  setImmediate(() => tell({ type: "outcomes", outcomes: outcomes.splice(0) }));
};

const perform = async (warp: Warp, operation: Operation & { readonly id: number }): Promise<void> => {
  const startedAt = monotonicMs();
  const stalledBefore = stalls.totalMs();
  const end = await callOn(warp, operation, tell);
  const endedAt = monotonicMs();
  const lateMs = endedAt - startedAt - (stalls.totalMs() - stalledBefore) - limitMs(operation);
  report({ id: operation.id, startedAt, endedAt, ...end, ...(lateMs > 0 ? { lateMs } : {}) });
};

const health = (warp: Warp): Health => {
  globalThis.gc?.();
  return { status: warp.status(), heapBytes: process.memoryUsage().heapUsed, counts: counts(), logged };
};

const churnTogether = 200;

const churn = async (warp: Warp, from: number, count: number): Promise<void> => {
  for (let start = from; start < from + count; start += churnTogether) {
    const keys = Array.from(
      { length: Math.min(churnTogether, from + count - start) },
      (_, at) => `churn:${start + at}`,
    );
    // Half of them is written, half is asked for in vain.
    await warp.setMany(keys.filter((_, at) => at % 2 === 0).map((key) => [key, key]));
    await warp.getMany(keys);
    await warp.invalidate(keys[0] as string);
  }
};

const values = async (warp: Warp, keys: readonly string[]): Promise<Values> => {
  const found = await warp.getMany(keys);
  return keys.map((key) => (found.get(key) as string | undefined) ?? null);
};

const write = async (warp: Warp, entries: Entries): Promise<void> => {
  for (let left = 10; ; left -= 1) {
    try {
      await warp.setMany(entries);
      return;
    } catch (error) {
      if (left === 0) throw error;
    }
  }
};

const answer = async (warp: Warp, question: Question): Promise<unknown> => {
  switch (question.ask) {
    case "values":
      return await values(warp, question.keys);
    case "peeks":
      return question.keys.map((key) => warp.peek(key) ?? null);
    case "write":
      return await write(warp, question.entries);
    case "health":
      return health(warp);
    case "revoke":
      return await warp.revokeLease(question.lease);
    case "grant": {
      const { id } = await warp.grantLease({ ttl: question.ttlMs });
      await Promise.all(question.keys.map((key) => warp.attachKey(id, key)));
      return id;
    }
    case "churn":
      await churn(warp, question.from, question.count);
      return health(warp);
    case "close":
      return await warp.close();
  }
};

const warp = await open().catch((error: unknown) => {
  console.error(inspect(error));
  process.exit(1);
});
process.on("message", (message: ToNode) => {
  if (message.type === "operations") {
    for (const operation of message.operations) setTimeout(() => void perform(warp, operation), operation.afterMs ?? 0);
    return;
  }
  const { id, question } = message;
  answer(warp, question).then(
    (given) => tell({ type: "answer", id, answer: given ?? null }),
    (error: unknown) => tell({ type: "refusal", id, reason: inspect(error) }),
  );
});
tell({ type: "ready" });
