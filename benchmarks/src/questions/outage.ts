import { type Server, services } from "@warp/tests-services/servers";
import type { Answer, Question } from "../question.ts";
import { type LayeredSubject, layeredWarpName, openLayeredPeers, openLayeredWarp } from "../subjects/layered.ts";

const calls = 20;
const patienceMs = 20_000;
/** Warp's deadline for a cache, and what a busy machine adds. */
const limitMs = 300;

interface Waits {
  readonly longestMs: number;
  readonly totalMs: number;
  /** Calls that were not answered while anybody cared. */
  readonly unanswered: number;
}

type Hurt = (server: Server) => Promise<void>;

const gaveUp = Symbol("gave up");

/** Calls one after another for keys that nobody holds; all is over after `patienceMs`. */
const askAlone = async ({ getOrSet }: LayeredSubject, prefix: string): Promise<Waits> => {
  const began = performance.now();
  let longestMs = 0;
  let unanswered = 0;
  for (let n = 0; n < calls; n++) {
    const leftMs = patienceMs - (performance.now() - began);
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<typeof gaveUp>((resolve) => {
      timer = setTimeout(resolve, Math.max(0, leftMs), gaveUp);
    });
    const asked = performance.now();
    // A rejection is an answer too.
    const call = getOrSet(`${prefix}:${n}`, async () => ({ n })).catch(() => undefined);
    if ((await Promise.race([call, limit])) === gaveUp) unanswered++;
    clearTimeout(timer);
    longestMs = Math.max(longestMs, performance.now() - asked);
  }
  return { longestMs, totalMs: performance.now() - began, unanswered };
};

const ask = async (): Promise<Answer> => {
  const measure = async (open: typeof openLayeredPeers, hurt: Hurt): Promise<readonly (readonly [string, Waits])[]> => {
    const server = await services.redis.start();
    const subjects = open(server.url);
    for (const subject of subjects) await askAlone(subject, "before");
    await hurt(server);
    const waits = await Promise.all(
      subjects.map(async (subject) => [subject.name, await askAlone(subject, "during")] as const),
    );
    await server.thaw().catch(() => {});
    // Not waited for: some of them wait for the server.
    for (const subject of subjects) void subject.close().catch(() => {});
    await server.stop();
    return waits;
  };
  const kill: Hurt = (server) => server.kill();
  const freeze: Hurt = (server) => server.freeze();
  // Warp first: an error of its own that nobody handles ends the benchmark. Those of peers are counted elsewhere.
  const own = { killed: await measure(openLayeredWarp, kill), frozen: await measure(openLayeredWarp, freeze) };
  process.on("unhandledRejection", () => {});
  const killed = new Map([...own.killed, ...(await measure(openLayeredPeers, kill))]);
  const frozen = new Map([...own.frozen, ...(await measure(openLayeredPeers, freeze))]);
  const cells = (waits: Waits | undefined): (string | number)[] => {
    if (waits === undefined) return ["–", "–"];
    const longest = waits.unanswered > 0 ? `> ${Math.round(waits.longestMs)}` : waits.longestMs;
    return [longest, waits.unanswered];
  };
  const longest = (of: Map<string, Waits>): number => of.get(layeredWarpName)?.longestMs ?? Number.NaN;
  return {
    columns: ["", "killed: longest wait, ms", "unanswered", "frozen: longest wait, ms", "unanswered"],
    rows: [...killed.keys()].map((name) => [name, ...cells(killed.get(name)), ...cells(frozen.get(name))]),
    targets: [
      { what: "a caller's longest wait, Redis killed, ms", value: longest(killed), bound: "at most", limit: limitMs },
      { what: "a caller's longest wait, Redis frozen, ms", value: longest(frozen), bound: "at most", limit: limitMs },
    ],
  };
};

export const outage: Question = {
  name: "outage",
  title: "How long does a caller wait when Redis is gone?",
  method: `A local tier in front of Redis, settings as they come. Redis is killed (SIGKILL), or frozen (SIGSTOP), and then ${calls} calls of getOrSet are made one after another for keys that nobody holds, with a loader that takes no time. A call that has no answer within ${patienceMs / 1000} s of the first is unanswered.`,
  ask,
};
