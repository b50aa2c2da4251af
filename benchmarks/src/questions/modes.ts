import { inCluster } from "../cluster.ts";
import { timed } from "../latency.ts";
import type { Answer, Question } from "../question.ts";
import { interleave } from "../statistics.ts";
import { type ModeName, type ModesNode, prefixes } from "../subjects/modes.ts";

const rounds = 9;
const warmUpRounds = 2;
const callsARound = 300;
const keysHeld = 1_000;

const modes = Object.keys(prefixes) as readonly ModeName[];
const keyOf = (mode: ModeName, n: number): string => `${prefixes[mode]}:${(n * 7_919) % keysHeld}`;

const rowsOf = async ({ warp }: ModesNode): Promise<(string | number)[][]> => {
  const writes = modes.map((mode) => timed(mode, callsARound, warmUpRounds, (n) => warp.set(keyOf(mode, n), { n })));
  const reads = modes.map((mode) => timed(mode, callsARound, warmUpRounds, (n) => warp.find(keyOf(mode, n))));
  const [first] = modes;
  await interleave(writes, first as string, rounds);
  // What strong-local still owes the store is no part of what a read costs.
  await warp.flush();
  await interleave(reads, first as string, rounds);
  return modes.map((mode, at) => [
    mode,
    ...[reads[at], writes[at]].flatMap((one) => [
      one?.percentile(0.5) ?? Number.NaN,
      one?.percentile(0.99) ?? Number.NaN,
    ]),
  ]);
};

const ask = async (): Promise<Answer> => {
  const rows = await inCluster(async (node) => {
    for (const mode of modes)
      await node.warp.setMany(Array.from({ length: keysHeld }, (_, n) => [keyOf(mode, n), { n }] as const));
    return await rowsOf(node);
  });
  return { columns: ["", "read, p50: µs", "p99: µs", "write, p50: µs", "p99: µs"], rows, targets: [] };
};

export const modesQuestion: Question = {
  name: "modes",
  title: "What does a call cost in each mode?",
  method: `Two nodes in two processes, NATS and PostgreSQL (statements prepared) on the same machine, no shared tier; all ${keysHeld} keys are held by the node that calls. Calls one after another, in wall time: ${callsARound} a round and mode, in turn, ${rounds} rounds. A read of a \`strong-distributed\` key asks PostgreSQL whether the copy still stands; a write of one waits for the other process (quorum of 2) and then for PostgreSQL.`,
  ask,
};
