import { spawn } from "node:child_process";
import { access, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as turn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "@jest/globals";
import { startPostgres } from "../src/index.ts";

const until = async (what: string, condition: () => Promise<boolean>): Promise<void> => {
  for (const deadline = performance.now() + 10_000; performance.now() < deadline; await turn(5))
    if (await condition()) return;
  throw new Error(`did not come about: ${what}`);
};

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

const accepts = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("connect", () => resolve(true)).on("error", () => resolve(false));
    socket.on("connect", () => socket.destroy());
  });

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

const supervisor = fileURLToPath(new URL("../bin/supervise.sh", import.meta.url));

describe("a server for tests", () => {
  it("takes connections once it is started, and none once it is stopped", async () => {
    const { url, stop } = await startPostgres();
    const port = Number(new URL(url).port);
    expect(await accepts(port)).toBe(true);
    await stop();
    if (process.env.WARP_TEST_POSTGRES_URL === undefined) expect(await accepts(port)).toBe(false);
  });

  it("is stopped and its folder removed when the process that asked for it is killed", async () => {
    const folder = await mkdtemp(join(tmpdir(), "warp-supervised-"));
    const pidFile = `${folder}/pid`;
    // The middle process stands for the test runner: it holds the supervisor's input and dies without a word.
    const script = `
      const { spawn } = require("node:child_process");
      const server = ["${process.execPath}", "-e", 'require("fs").writeFileSync("${pidFile}", String(process.pid)); setInterval(() => {}, 1000)'];
      spawn("sh", ["${supervisor}", "${folder}", ...server], { stdio: ["pipe", "inherit", "inherit"] });
      setInterval(() => {}, 1000);
    `;
    const runner = spawn(process.execPath, ["-e", script], { stdio: "ignore" });
    await until("the server's start", async () => /^\d+$/.test(await readFile(pidFile, "utf8").catch(() => "")));
    const pid = Number(await readFile(pidFile, "utf8"));
    await writeFile(join(folder, "data"), "x");
    expect(isAlive(pid)).toBe(true);
    runner.kill("SIGKILL");
    await until("the server's end", async () => !isAlive(pid));
    await until("the folder's removal", async () => !(await exists(folder)));
  });
});
