import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "@jest/globals";

const program = fileURLToPath(new URL("../dist/demo.js", import.meta.url));

interface Ended {
  readonly code: number | string | null | undefined;
  readonly printed: string;
}

/** Runs the program as it was built, since in Jest's realm reading the data set alone takes most of a minute. */
const demo = (...args: readonly string[]): Promise<Ended> => {
  if (!existsSync(program)) throw new Error(`${program} is missing: run "npm run build" at the root`);
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], { timeout: 80_000 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : error.code, printed: stdout + stderr });
    });
  });
};

it("the demo serves a subset of the cities, survives the cut, and finds everything in order", async () => {
  const folder = await mkdtemp(join(tmpdir(), "warp-atlas-test-"));
  try {
    const { code, printed } = await demo("--seed=3", "--operations=2000", "--cities=2000", "--folder", folder);
    expect(printed).not.toContain("FAILED");
    expect(printed).toContain("7 checks passed, 0 failed");
    for (const words of ["load", "warm-up", "workload", "from its cache", "p99", "loads saved", "suspects found"])
      expect(printed).toContain(words);
    expect(code).toBe(0);
    expect(await readdir(folder)).not.toEqual([]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

it("a folder that is not empty is refused, and left as it is", async () => {
  const folder = fileURLToPath(new URL(".", import.meta.url));
  const before = await readdir(folder);
  const { code, printed } = await demo("--folder", folder);
  expect(code).toBe(1);
  expect(printed).toContain("is not empty");
  expect(await readdir(folder)).toEqual(before);
});

it("an unknown option ends it with 1, and --help says which there are", async () => {
  expect((await demo("--sed=1")).code).toBe(1);
  const { code, printed } = await demo("--help");
  expect(code).toBe(0);
  expect(printed).toContain("--operations NUMBER");
});
