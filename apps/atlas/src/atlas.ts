import { audit } from "./audit.ts";
import { type Atlas, nodeNames, openAtlas } from "./bootstrap.ts";
import { type Check, checksOf } from "./checks.ts";
import { citiesOf } from "./data.ts";
import { duration, grouped } from "./format.ts";
import { load } from "./load.ts";
import type { AtlasOptions } from "./options.ts";
import { withProgress } from "./progress.ts";
import { summaryOf, verdictOf } from "./report.ts";
import { runWorkload } from "./workload.ts";

/** Runs what is given, says what it was and how long it took. */
const timed = async (output: NodeJS.WritableStream, what: string, work: () => Promise<string>): Promise<void> => {
  const startedAt = performance.now();
  const result = await work();
  output.write(`${what.padEnd(12)} ${result} in ${duration(performance.now() - startedAt)}\n`);
};

const warmUp = (atlas: Atlas, output: NodeJS.WritableStream): Promise<void> =>
  timed(output, "warm-up", async () => {
    const progress = await Promise.all(atlas.nodes.map((node) => node.warmup()));
    return `${progress.map(({ loaded }, index) => `${nodeNames[index]} ${grouped(loaded)}`).join(", ")} entries`;
  });

const play = async (atlas: Atlas, options: AtlasOptions, output: NodeJS.WritableStream): Promise<readonly Check[]> => {
  const cities = citiesOf(options.cities);
  await withProgress("load", cities.length, output, (advance) => load(atlas.loader, cities, advance));
  await warmUp(atlas, output);
  const outcome = await withProgress("workload", options.operations, output, (advance) =>
    runWorkload(atlas, { ...options, cities, onOperation: () => advance(1) }),
  );
  output.write(`\n${summaryOf(outcome)}\n\n`);
  const findings = await audit(atlas, cities, outcome.ledger);
  const checks = checksOf(cities, outcome.ledger, outcome.revocation, findings);
  output.write(`${verdictOf(checks)}\n`);
  return checks;
};

/**
 * The whole demo, on a database in an empty folder.
 * @returns What was checked, all of which should have passed.
 */
export const runAtlas = async (
  folder: string,
  options: AtlasOptions,
  output: NodeJS.WritableStream,
): Promise<readonly Check[]> => {
  output.write(`atlas        ${nodeNames.length} Warp nodes over one PostgreSQL in ${folder}, seed ${options.seed}\n`);
  let atlas: Atlas | undefined;
  await timed(output, "open", async () => {
    atlas = await openAtlas(folder);
    return nodeNames.join(", ");
  });
  try {
    return await play(atlas as unknown as Atlas, options, output);
  } finally {
    await (atlas as unknown as Atlas).close();
  }
};
