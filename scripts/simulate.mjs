// `npm run simulate`: seeds of simulated clusters (tests/cluster); ends with 1 at the first seed that fails.
import { readdirSync } from "node:fs";
import { join, parse, resolve } from "node:path";
import { parseArgs } from "node:util";
import { run } from "./lib/run.mjs";
import { install, root } from "./lib/workspace.mjs";

const folder = join(root, "tests", "cluster");
const scenarios = readdirSync(join(folder, "src", "scenarios")).map((file) => parse(file).name);

const usage = `npm run simulate -- [options]

  --seeds <n>          how many seeds of each scenario (default 2000)
  --seed <n>           that seed alone; the strong scenario prints its history as a timeline
  --picture <file>     with --seed: draws the history as a page too
  --scenario <name>    one of ${scenarios.join(", ")}, or all; may be repeated (default: strong, mixed)
  --mutants            instead: breaks one step of the strong mode after the other, and prints which check noticed at which seed
`;

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "2000" },
    seed: { type: "string" },
    picture: { type: "string" },
    scenario: { type: "string", multiple: true, default: ["strong", "mixed"] },
    mutants: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

const chosen = values.scenario.includes("all") ? scenarios : values.scenario;
const mistakes = [
  ...chosen.filter((name) => !scenarios.includes(name)).map((name) => `there is no scenario "${name}"`),
  ...["seeds", "seed"]
    .filter((name) => values[name] !== undefined && !/^[1-9]\d*$/.test(values[name]))
    .map((name) => `--${name} takes a whole number above 0, not "${values[name]}"`),
  ...(values.picture !== undefined && values.seed === undefined ? ["--picture needs --seed"] : []),
];

if (values.help) console.log(usage);
else if (mistakes.length > 0) {
  console.error(`${mistakes.join("\n")}\n\n${usage}`);
  process.exitCode = 1;
} else {
  const env = {
    ...(values.seed === undefined ? { WARP_SEEDS: values.seeds } : { WARP_SEED: values.seed }),
    ...(values.picture === undefined ? {} : { WARP_PICTURE: resolve(values.picture) }),
    ...(values.mutants ? { WARP_MUTANTS: "1" } : {}),
  };
  const tests = values.mutants ? ["strong-mutants"] : chosen;
  process.chdir(root);
  const { code, output } = await run(install);
  if (code !== 0) console.error(output);
  const jest = ["npm", "test", "--", ...tests.map((name) => `test/${name}.test.ts`)];
  process.exitCode = code || (await run(jest, { stream: true, env, cwd: folder, timeoutMs: 24 * 3_600_000 })).code;
}
