import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { startPostgres } from "@warp/tests-services/postgres";
import { startService } from "@warp/tests-services/servers";
import { type ModesNode, openModesNode, type StrongMeeting } from "./subjects/modes.ts";

const program = fileURLToPath(new URL("./second-node.js", import.meta.url));
const distance = fileURLToPath(new URL("./distance.js", import.meta.url));
const patienceMs = 5_000;

/** The same servers, so far away. @param latencyMs Each way. @returns Their addresses, and what ends the lines. */
const atDistance = async (
  meeting: StrongMeeting,
  latencyMs: number,
): Promise<{ readonly meeting: StrongMeeting; end(): void }> => {
  if (latencyMs === 0) return { meeting, end: () => {} };
  const lines = fork(distance, [String(latencyMs), meeting.nats, meeting.postgres], { execArgv: [] });
  const [[nats, postgres]] = (await once(lines, "message")) as [[string, string]];
  return { meeting: { nats, postgres }, end: () => void lines.kill("SIGKILL") };
};

/** Where a cluster's servers are, and how PostgreSQL runs. */
export interface Setup {
  /** How far away both nodes' servers are, each way. Default 0: on this machine. */
  readonly latencyMs?: number;
  /** Whether a commit waits for the disk. Default: yes, as PostgreSQL has it. */
  readonly durable?: boolean;
}

/** Runs `work` on a node beside a second one in a process of its own, over NATS and PostgreSQL; stops all afterwards. */
export const inCluster = async <T>(
  work: (node: ModesNode) => Promise<T>,
  { latencyMs = 0, durable = true }: Setup = {},
): Promise<T> => {
  const [nats, postgres] = [await startService("nats"), await startPostgres({ durable })];
  const lines = await atDistance({ nats: nats.url, postgres: postgres.url }, latencyMs);
  const { meeting } = lines;
  // One after the other: the first makes the tables.
  const node = await openModesNode(meeting);
  const other = fork(program, [JSON.stringify(meeting)], { execArgv: [] });
  await once(other, "message");
  try {
    return await work(node);
  } finally {
    const gone = once(other, "exit");
    other.send("close");
    const timer = setTimeout(() => other.kill("SIGKILL"), patienceMs);
    await gone;
    clearTimeout(timer);
    await node.close();
    lines.end();
    await Promise.all([nats.stop(), postgres.stop()]);
  }
};
