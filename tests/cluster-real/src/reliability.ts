// `npm run reliability`: the long figures of docs/reliability.md.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { growth } from "./growth.ts";
import { countInvalidations } from "./invalidations.ts";
import { runMixed } from "./mixed.ts";
import { planOf } from "./plans.ts";
import type { Combination } from "./protocol.ts";
import { loseQuorum } from "./quorum-loss.ts";
import { Site } from "./site.ts";
import { runStrong } from "./strong.ts";

const usage = `npm run reliability -- [parts] [options]

Parts (default: all): mixed, strong, invalidations, heap
  --on <bus>,<store>,<cache>   one combination, as nats,pg,memory+redis; may be repeated (default: all eight, and Sentinel)
  --seed <n>                   default 1
  --calls <n>                  of each mixed or strong run (default 20000)
  --faults <n>                 in each mixed or strong run (default 10)
  --older <folder>             a built checkout of another release, of which every second node of mixed runs is
  --histories <folder>         keeps the histories of strong runs there, as JSON lines (tests/histories/README.md)
  --invalidations <n>          of each combination (default 100000)
  --keys <n>                   distinct keys for the heap (default 1000000)
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    on: { type: "string", multiple: true },
    seed: { type: "string", default: "1" },
    calls: { type: "string", default: "20000" },
    faults: { type: "string", default: "10" },
    invalidations: { type: "string", default: "100000" },
    keys: { type: "string", default: "1000000" },
    histories: { type: "string" },
    older: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

const everywhere: readonly Combination[] = [
  ...(["nats", "kafka"] as const).flatMap((bus) =>
    (["pg", "s3"] as const).flatMap((store) =>
      (["memory", "memory+redis"] as const).map((cache): Combination => ({ bus, store, cache })),
    ),
  ),
  { bus: "nats", store: "pg", cache: "memory+sentinel" },
];

/** Those of strong runs. They use no shared tier. */
const strongly: readonly Combination[] = (["nats-cluster", "kafka"] as const).flatMap((bus) =>
  (["pg", "s3"] as const).map((store): Combination => ({ bus, store, cache: "memory" })),
);

const nameOf = ({ bus, store, cache }: Combination): string => [bus, store, cache].join(",");
const seed = Number(values.seed);
const nodes = 4;
let failed = false;

const line = (...cells: readonly (string | number)[]): void => console.log(`| ${cells.join(" | ")} |`);
const table = (...heads: readonly string[]): void => {
  line(...heads);
  line(...heads.map(() => "---"));
};
const olderWorker = values.older === undefined ? undefined : join(values.older, "tests/cluster-real/dist/worker.js");
const seconds = (ms: number): string => (ms / 1_000).toFixed(1);

const broken = (combination: Combination, error: unknown): void => {
  failed = true;
  line(nameOf(combination), "FAILED");
  console.error(error instanceof Error ? error.message : error);
};

const sumOf = (endings: Readonly<Record<string, number>>, matches: (what: string) => boolean): number =>
  Object.entries(endings).reduce((sum, [what, times]) => sum + (matches(what) ? times : 0), 0);

const mixed = async (site: Site, combinations: readonly Combination[]): Promise<void> => {
  const how =
    olderWorker === undefined ? "with overlapping faults" : "every second one of another release, with faults";
  console.log(`\nMixed calls on ${nodes} processes, ${how} (seeds from ${seed})\n`);
  const stories: string[] = [];
  table("combination", "calls", "faults", "outcome unknown", "refused", "calls took, s", "settled after, s");
  for (const [at, combination] of combinations.entries()) {
    const [calls, faults] = [Number(values.calls), Number(values.faults)];
    const own = seed + at;
    // A node of another release may not wait for what it needs: one thing at a time.
    const overlapping = olderWorker === undefined;
    const plan = planOf({ seed: own, combination, nodes, calls, faults, overlapping });
    stories.push(`- ${nameOf(combination)}, seed ${own}: ${plan.map(({ fault }) => fault.name).join("; ")}`);
    try {
      const figures = await runMixed({ site, combination, seed: own, nodes, calls, plan, olderWorker });
      const { endings, callsMs, settledMs } = figures;
      const unknown = sumOf(endings, (what) => what.includes("UNKNOWN") || what.includes("killed"));
      const well = sumOf(endings, (what) => what.endsWith(" ok"));
      const begun = figures.faults.filter((what) => !what.includes("over: ")).length;
      line(nameOf(combination), calls, begun, unknown, calls - well - unknown, seconds(callsMs), seconds(settledMs));
    } catch (error) {
      broken(combination, error);
    }
  }
  console.log(`\nTheir faults, in order\n\n${stories.join("\n")}`);
};

const strong = async (site: Site, combinations: readonly Combination[]): Promise<void> => {
  const [nodes, quorum] = [5, 3];
  console.log(
    `\nStrong keys on ${nodes} processes, quorum ${quorum}, and the same calls on eventual ones (seed ${seed})\n`,
  );
  table(
    "combination",
    "mode",
    "calls",
    "faults",
    "refused",
    "unknown",
    "locks",
    "anomalies",
    "stale reads",
    "of",
    "took, s",
  );
  for (const combination of combinations)
    for (const mode of ["strong-distributed", "eventual-distributed"] as const) {
      const [calls, faults] = [Number(values.calls), Number(values.faults)];
      const plan = planOf({ seed, combination, nodes, calls, faults, overlapping: true });
      try {
        const figures = await runStrong({
          ...{ site, combination, seed, nodes, quorum, calls, plan, mode, folder: values.histories },
        });
        const { endings, unknown, grants, anomalies, stale, callsMs } = figures;
        const refused = sumOf(endings, (what) => !/ ok$|UNKNOWN|killed/.test(what));
        if (mode === "strong-distributed" && anomalies.length > 0) broken(combination, new Error(anomalies.join("\n")));
        const counted = [refused, unknown, grants, anomalies.length, stale.stale, stale.reads];
        line(nameOf(combination), mode, calls, faults, ...counted, seconds(callsMs));
      } catch (error) {
        broken(combination, error);
      }
    }
  console.log("\nThree of five processes cut off from the bus, and writes on both sides; then healed\n");
  table("combination", "writes refused", "stored of them", "first write after, s");
  for (const combination of combinations) {
    try {
      const { refused, stored, before, backMs, problems } = await loseQuorum(site, combination, seed);
      const changed = stored.filter((value, at) => value !== before[at]).length;
      if (changed > 0 || backMs === undefined || problems.length > 0)
        broken(combination, new Error(problems.join("\n")));
      line(
        nameOf(combination),
        sumOf(refused, (what) => what !== "none"),
        changed,
        seconds(backMs ?? Number.NaN),
      );
    } catch (error) {
      broken(combination, error);
    }
  }
};

const invalidations = async (site: Site, combinations: readonly Combination[]): Promise<void> => {
  console.log(
    `\nCopies that another process overtook (${nodes} processes, a fault in every third round, seed ${seed})\n`,
  );
  table("combination", "copies overtaken", "lost", "faults", "longest until gone, s", "took, s");
  for (const combination of combinations) {
    const startedAt = performance.now();
    const keys = combination.store === "pg" ? 500 : 200;
    const wanted = Number(values.invalidations);
    try {
      const figures = await countInvalidations({
        ...{ site, combination, seed, nodes, keys, invalidations: wanted, faultEvery: 3 },
      });
      failed ||= figures.lost > 0;
      const took = seconds(performance.now() - startedAt);
      const { invalidations: overtaken, lost, faults, longestMs } = figures;
      line(nameOf(combination), overtaken, lost, faults, seconds(longestMs), took);
    } catch (error) {
      broken(combination, error);
    }
  }
};

const heap = async (site: Site, combinations: readonly Combination[]): Promise<void> => {
  const keys = Number(values.keys);
  console.log(`\nHeap of a process in use after distinct keys, 10 000 of them held (seed ${seed})\n`);
  table("combination", `after ${keys / 10}, MB`, `after ${keys}, MB`, "ratio", "took, s");
  for (const combination of combinations) {
    const startedAt = performance.now();
    try {
      const { earlyBytes, lateBytes } = await growth({ site, combination, seed, keys });
      const ratio = lateBytes / earlyBytes;
      failed ||= ratio > 1.1;
      const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);
      const took = seconds(performance.now() - startedAt);
      line(nameOf(combination), megabytes(earlyBytes), megabytes(lateBytes), ratio.toFixed(2), took);
    } catch (error) {
      broken(combination, error);
    }
  }
};

const allParts = ["mixed", "strong", "invalidations", "heap"];
/** What asks for nothing that there is: it would pass without having run. */
const mistakes: string[] = [
  ...positionals.filter((part) => !allParts.includes(part)).map((part) => `there is no part "${part}"`),
  ...(values.on ?? [])
    .filter((name) => ![...everywhere, ...strongly].some((each) => nameOf(each) === name))
    .map((name) => `there is no combination "${name}"`),
  ...(["seed", "calls", "faults", "invalidations", "keys"] as const)
    .filter((name) => !/^\d+$/.test(values[name]))
    .map((name) => `--${name} takes a whole number, not "${values[name]}"`),
];
if (olderWorker !== undefined && !existsSync(olderWorker)) mistakes.push(`--older: there is no ${olderWorker}`);
const chosen = (among: readonly Combination[]): readonly Combination[] =>
  values.on === undefined ? among : among.filter((each) => values.on?.includes(nameOf(each)));
const combinations = chosen(everywhere);
if (values.help) console.log(usage);
else if (mistakes.length > 0) {
  failed = true;
  console.error(`${mistakes.join("\n")}\n\n${usage}`);
} else {
  const site = new Site();
  const parts = positionals.length === 0 ? allParts : positionals;
  try {
    if (parts.includes("mixed")) await mixed(site, combinations);
    if (parts.includes("strong")) await strong(site, chosen(strongly));
    if (parts.includes("invalidations")) await invalidations(site, combinations);
    // What grows is the node's, and its ports': one with every port, unless others are asked for.
    const largest =
      values.on === undefined ? combinations.filter(({ cache }) => cache === "memory+redis") : combinations;
    if (parts.includes("heap")) await heap(site, largest.slice(0, values.on === undefined ? 1 : largest.length));
  } finally {
    await site.stop();
  }
}
process.exitCode = failed ? 1 : 0;
