import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { access, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as turn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "@jest/globals";
import { accepts, startServer } from "../src/server.ts";
import { services } from "../src/services.ts";

const until = async (what: string, condition: () => Promise<boolean>, withinMs = 10_000): Promise<void> => {
  for (const deadline = performance.now() + withinMs; performance.now() < deadline; await turn(5))
    if (await condition()) return;
  throw new Error(`did not come about: ${what}`);
};

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

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
    const { url, stop } = await services.postgres.start();
    const port = Number(new URL(url).port);
    expect(await accepts(port)).toBe(true);
    await stop();
    expect(await accepts(port)).toBe(false);
  });

  it("keeps its port and its folder when it is killed and started again, and is up when that resolves", async () => {
    const server = await services.postgres.start();
    const port = Number(new URL(server.url).port);
    const first = await server.pid();
    await server.kill();
    expect(await accepts(port)).toBe(false);
    await server.restart();
    expect(await server.pid()).not.toBe(first);
    expect(server.output()).toContain("ready to accept connections");
    await server.stop();
  });

  it("stands still while it is frozen, and can be stopped all the same", async () => {
    // It has threads, which a signal does not stop all at once.
    const server = await services.nats.start();
    const pid = await server.pid();
    const states = (): readonly (string | undefined)[] =>
      readdirSync(`/proc/${pid}/task`).map(
        (thread) => /^State:\s+(\S)/m.exec(readFileSync(`/proc/${pid}/task/${thread}/status`, "utf8"))?.[1],
      );
    const seen = new Set<string | undefined>();
    for (let times = 0; times < 20; times += 1) {
      await server.freeze();
      for (const state of states()) seen.add(state);
      await server.thaw();
    }
    await until("the thaw", async () => !states().includes("T"));
    await server.freeze();
    await server.stop();
    expect([...seen]).toEqual(["T"]);
  });

  it("that cannot be prepared leaves no folder behind, and tells why", async () => {
    let folder = "";
    const plan = {
      name: "Unprepared",
      prepare: async (place: { readonly folder: string }): Promise<void> => {
        folder = place.folder;
        throw new Error("no data");
      },
      command: () => ["true"],
      url: () => "",
    };
    await expect(startServer(plan)).rejects.toThrow("no data");
    expect(await exists(folder)).toBe(false);
  });

  it("leaves no folder behind when the process that asked for it is killed while its data are made", async () => {
    const built = new URL("../dist/server.js", import.meta.url).href;
    // It stands for the test runner.
    const script = `
      import { startServer } from "${built}";
      const prepare = ({ folder }) => new Promise(() => process.send(folder));
      await startServer({ name: "Slow", prepare, command: () => ["true"], url: () => "" });
    `;
    const runner = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    const folder = await new Promise<string>((resolve) =>
      runner.once("message", (message) => resolve(String(message))),
    );
    expect(await exists(folder)).toBe(true);
    runner.kill("SIGKILL");
    // 10 s later, if what keeps the folder was itself just being started.
    await until("the folder's removal", async () => !(await exists(folder)), 30_000);
  });

  it.each([
    ["obeys", ""],
    ["does not heed signals", 'process.on("SIGINT", () => {});'],
  ])("that %s is stopped and its folder removed when the process that asked for it is killed", async (_, preamble) => {
    const folder = await mkdtemp(join(tmpdir(), "warp-supervised-"));
    const pidFile = `${folder}/pid`;
    // The middle process stands for the test runner: it holds the supervisor's input and dies without a word.
    const script = `
      const { spawn } = require("node:child_process");
      const server = ["${process.execPath}", "-e", '${preamble} require("fs").writeFileSync("${pidFile}", String(process.pid)); setInterval(() => {}, 1000)'];
      spawn("sh", ["${supervisor}", "${folder}", ...server], { stdio: ["pipe", "inherit", "inherit", "ignore"] });
      setInterval(() => {}, 1000);
    `;
    const runner = spawn(process.execPath, ["-e", script], { stdio: "ignore" });
    await until("the server's start", async () => /^\d+$/.test(await readFile(pidFile, "utf8").catch(() => "")));
    const pid = Number(await readFile(pidFile, "utf8"));
    await writeFile(join(folder, "data"), "x");
    expect(isAlive(pid)).toBe(true);
    runner.kill("SIGKILL");
    // 10 s later, if it does not heed the signal.
    await until("the server's end", async () => !isAlive(pid), 30_000);
    await until("the folder's removal", async () => !(await exists(folder)));
  });
});
