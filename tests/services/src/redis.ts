import { connect } from "node:net";
import { join } from "node:path";
import { findPrograms, type Programs } from "./programs.ts";
import { type Server, type ServerPlan, startServer } from "./server.ts";

const programs: Programs = {
  server: "Redis",
  names: ["redis-server"],
  packages: ["redis-server"],
  elsewhere: "macOS: brew install redis",
  variable: "WARP_TEST_REDIS_URL",
  example: "redis://host:port",
};

const head = /^(?:[+:](.*)|-(.*)|\$(-?\d+))\r\n/;

/** @returns A status, number or string that has arrived whole, else `undefined`. @throws What the server refuses. */
const replyIn = (text: string): string | undefined => {
  const found = head.exec(text);
  if (found === null) return undefined;
  const [line, plain, refusal, length] = found;
  if (refusal !== undefined) throw new Error(`Redis: ${refusal}`);
  if (plain !== undefined) return plain;
  const body = text.slice(line.length);
  return Number(length) < 0 ? "" : body.length < Number(length) + 2 ? undefined : body.slice(0, Number(length));
};

/** Sends one command whose answer is a status, a number or a string. */
export const askRedis = (port: number, ...command: readonly string[]): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    const finish = (settle: () => void): void => {
      socket.destroy();
      settle();
    };
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("Redis closed the connection")));
    socket.setTimeout(2_000, () => finish(() => reject(new Error("Redis does not answer"))));
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      try {
        const reply = replyIn(text);
        if (reply !== undefined) finish(() => resolve(reply));
      } catch (error) {
        finish(() => reject(error));
      }
    });
    socket.write(
      `*${command.length}\r\n${command.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`).join("")}`,
    );
  });

/** Whether it is this very process that answers there, and has loaded what it kept. */
export const isRedisUp = async (port: number, pid: number): Promise<boolean> => {
  const info = await askRedis(port, "INFO").catch(() => "");
  return info.includes(`process_id:${pid}\r`) && (info.includes("loading:0") || info.includes("redis_mode:sentinel"));
};

/** A plan for one Redis process that keeps nothing on disk unless it is told `SAVE`. */
export const redisPlan = async (name: string, settings: readonly string[] = []): Promise<ServerPlan> => {
  const bin = await findPrograms(programs);
  return {
    name,
    ports: 2,
    command: ({ folder, ports: [port, busPort] }) => [
      ...[join(bin, "redis-server"), "--port", String(port), "--bind", "127.0.0.1", "--dir", folder],
      ...["--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0"],
      ...(settings.includes("--cluster-enabled") ? ["--cluster-port", String(busPort)] : []),
      ...settings,
    ],
    isUp: ({ ports: [port = 0] }, pid) => isRedisUp(port, pid),
    url: ({ ports: [port] }) => `redis://127.0.0.1:${port}`,
  };
};

/** A Redis server of one's own. @throws If this machine has none and cannot install one. */
export const startRedis = async (): Promise<Server> => startServer(await redisPlan("Redis"));

export const portOf = ({ url }: { readonly url: string }): number => Number(new URL(url).port);
