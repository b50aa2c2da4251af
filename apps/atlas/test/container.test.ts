import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { ServiceProcess } from "./service-process.ts";

// Nothing here has Docker: what the Dockerfile runs after the build is run without it.
const root = fileURLToPath(new URL("../../..", import.meta.url));
const text = await readFile(new URL("../Dockerfile", import.meta.url), "utf8");
const [build = "", image = ""] = text.split(/^(?=FROM )/m).slice(1);

const instructions = (stage: string, name: string): readonly string[] =>
  [...stage.matchAll(new RegExp(`^${name} (.+)$`, "gm"))].map(([, rest = ""]) => rest);

const runs = (command: string, args: readonly string[], cwd: string, env = {}): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => {
        output += chunk.toString();
      });
    child.on("error", reject);
    child.on("close", (code) => (code === 0 ? resolve(output) : reject(new Error(`${command}: ${code}\n${output}`))));
  });

describe("the container", () => {
  let out: string;
  beforeAll(async () => {
    out = await mkdtemp(join(tmpdir(), "warp-atlas-container-"));
    const deploy = instructions(build, "RUN").at(-1) ?? "";
    expect(deploy).toMatch(/ deploy --prod out$/);
    // Everything is in pnpm's store already, for this very repository runs on it.
    await runs("sh", ["-c", deploy.replace(/ out$/, ` --prefer-offline ${out}/app`)], root);
  });
  afterAll(() => rm(out, { recursive: true, force: true }));

  it("holds what the service runs on, and nothing that builds or tests it", async () => {
    expect((await readdir(join(out, "app"))).sort()).toEqual([
      ...["README.md", "dist", "node_modules", "package.json", "pnpm-lock.yaml"],
    ]);
    const packages = await readdir(join(out, "app/node_modules/.pnpm"));
    const named = (name: string) => packages.filter((folder) => folder.startsWith(`${name}@`)).length;
    expect([named("fastify"), named("@warp+core"), named("typescript"), named("@warp+tests-services")]).toEqual([
      ...[1, 1, 0, 0],
    ]);
    expect((await readdir(join(out, "app/node_modules/@warp/core"))).sort()).not.toContain("src");
  });

  it("serves with the image's environment, is found healthy, and stops in Docker's ten seconds", async () => {
    const [environment = ""] = instructions(image, "ENV");
    const held = Object.fromEntries(environment.split(" ").map((pair) => pair.split("=") as [string, string]));
    expect(held).toMatchObject({ NODE_ENV: "production", HOST: "0.0.0.0", PORT: "3000" });
    expect(Number(held.SHUTDOWN_MS)).toBeLessThan(10_000);
    const [node, program = ""] = JSON.parse(instructions(image, "CMD").at(-1) ?? "[]") as string[];
    expect(node).toBe("node");
    const service = new ServiceProcess({ ...held, PORT: "0" }, join(out, "app", program));
    try {
      const { port } = new URL(await service.url());
      const [health = ""] = instructions(image, "HEALTHCHECK");
      const [command = "", ...args] = JSON.parse(/CMD (\[.+\])$/.exec(health)?.[1] ?? "[]") as string[];
      await runs(command, args, out, { PORT: port });
      await expect(runs(command, args, out, { PORT: "1" })).rejects.toThrow("node: 1");
      service.signal("SIGTERM");
      expect(await service.exited).toEqual({ code: 0, signal: null });
    } finally {
      await service.kill();
    }
  });

  it("runs as a user that is not root, on the Node of this repository", async () => {
    expect(instructions(image, "USER")).toEqual(["node"]);
    const [major] = (await readFile(join(root, ".nvmrc"), "utf8")).trim().replace(/^v/, "").split(".");
    for (const stage of [build, image])
      expect(instructions(stage, "FROM")[0]).toMatch(new RegExp(`^node:${major}-slim`));
  });
});
