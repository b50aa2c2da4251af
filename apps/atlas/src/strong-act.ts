import { checkHistory, type History } from "@warp/tests-histories";
import { type Atlas, type Node, nodeNames } from "./bootstrap.ts";
import { Flags, flagKeys } from "./flags.ts";
import { pause } from "./traffic.ts";

/** A quorum that was lost and came back. */
export interface QuorumLoss {
  /** Of the write without a quorum: how it ended, and after how long. */
  readonly code: string | undefined;
  readonly refusedAfterMs: number;
  /** How that of a node that is cut off ended. */
  readonly codeBeyondTheCut: string | undefined;
  /** What the store held before and after it. */
  readonly before: unknown;
  readonly after: unknown;
  /** What the nodes said meanwhile, on both sides of the cut. */
  readonly answers: readonly unknown[];
  /** From the end of the cut until a write was taken; `undefined` if none was. */
  readonly backAfterMs: number | undefined;
}

/** What the strong keys went through. */
export interface StrongOutcome {
  readonly history: History;
  /** What is wrong with it: it fits no order, or the grants of the lock are not right. */
  readonly problems: readonly string[];
  readonly times: Flags["times"];
  readonly quorum: QuorumLoss;
  /** What each node and the store hold in the end, as text. */
  readonly held: ReadonlyMap<string, string>;
}

const patienceMs = 20_000;

/** The last two nodes are cut off from the bus: the first one is alone, and so are they. */
const loseQuorum = async ({ nodes, auditor, disconnect, reconnect }: Atlas, flags: Flags): Promise<QuorumLoss> => {
  const [first, second] = nodeNames as [string, string];
  const [key] = flagKeys as [(typeof flagKeys)[number]];
  await flags.make(first, { call: "set", key, value: flags.value() });
  const before = await auditor.find(key);
  const cut = nodes.slice(1);
  for (const node of cut) disconnect(node);
  const sentAt = performance.now();
  const { error: code } = await flags.make(first, { call: "set", key, value: flags.value() });
  const refusedAfterMs = performance.now() - sentAt;
  const { error: codeBeyondTheCut } = await flags.make(second, { call: "set", key, value: flags.value() });
  const answers = await Promise.all(nodeNames.map((name) => flags.ask(name, key)));
  const after = await auditor.find(key);
  for (const node of cut) reconnect(node);
  const healedAt = performance.now();
  let isBack = false;
  while (!isBack && performance.now() - healedAt < patienceMs) {
    isBack = (await flags.make(first, { call: "set", key, value: flags.value() })).status === "ok";
    if (!isBack) await pause(50);
  }
  const backAfterMs = isBack ? performance.now() - healedAt : undefined;
  return { code, refusedAfterMs, codeBeyondTheCut, before, after, answers, backAfterMs };
};

/**
 * Configuration flags that no two nodes may ever disagree on: changed by every node at once, guarded by a lock that its
 * first owner outstays, and written without a quorum.
 * @param calls How many calls on the flags.
 */
export const runStrongAct = async (atlas: Atlas, seed: number, calls: number): Promise<StrongOutcome> => {
  const named = new Map(atlas.nodes.map((node, at) => [nodeNames[at] as string, node]));
  const flags = new Flags(named, seed);
  await flags.use(calls);
  await flags.contend();
  const quorum = await loseQuorum(atlas, flags);
  const held = new Map<string, string>();
  const everybody = new Map<string, Node>([...named, ["store", atlas.auditor]]);
  for (const [name, node] of everybody)
    await flags.find(name, async () => {
      const found = await node.getMany(flagKeys);
      held.set(name, JSON.stringify(flagKeys.map((key) => found.get(key))));
      return flagKeys.map((key) => ({ kind: "read", key, value: found.get(key) ?? null }));
    });
  const { history, times } = flags;
  return { history, problems: checkHistory(history).problems, times, quorum, held };
};
