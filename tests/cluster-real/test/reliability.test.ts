import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "@jest/globals";

const program = fileURLToPath(new URL("../dist/reliability.js", import.meta.url));

it.each([
  [["invalidation"], 'there is no part "invalidation"'],
  [["mixed", "--on", "nats,pg,memory", "--on", "nats,mysql,memory"], 'there is no combination "nats,mysql,memory"'],
  [["mixed", "--calls", "many"], '--calls takes a whole number, not "many"'],
])("the long run refuses %p, instead of passing without having run", (words, reason) => {
  const { status, stderr } = spawnSync(process.execPath, [program, ...words], { encoding: "utf8" });
  expect(stderr).toContain(reason);
  expect(status).toBe(1);
});
