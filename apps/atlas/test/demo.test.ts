import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "@jest/globals";
import { demo } from "./programs.ts";

it("the demo serves a subset of the cities, survives the cut, and finds everything in order", async () => {
  const folder = await mkdtemp(join(tmpdir(), "warp-atlas-test-"));
  try {
    const { code, printed } = await demo(["--seed=3", "--operations=2000", "--cities=2000", "--folder", folder]);
    expect(printed).not.toContain("FAILED");
    expect(printed).toContain("12 checks passed, 0 failed");
    for (const words of [
      "load",
      "warm-up",
      "workload",
      "from its cache",
      "p99",
      "loads saved",
      "suspects found",
      "QUORUM_NOT_SATISFIED",
    ])
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
  const { code, printed } = await demo(["--folder", folder]);
  expect(code).toBe(1);
  expect(printed).toContain("is not empty");
  expect(await readdir(folder)).toEqual(before);
});

it("an unknown option ends it with 1, and --help says which there are", async () => {
  expect((await demo(["--sed=1"])).code).toBe(1);
  const { code, printed } = await demo(["--help"]);
  expect(code).toBe(0);
  expect(printed).toContain("--operations NUMBER");
});

it("an environment that cannot be used ends it with 1, as the service", async () => {
  const { code, printed } = await demo([], { BUS: "nats", STORE: "mysql" });
  expect(code).toBe(1);
  expect(printed).toContain('STORE is "mysql"; accepted: pglite | pg | s3');
  expect(printed).toContain("NATS_URL is not set");
});
