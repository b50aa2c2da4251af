import { audit } from "./audit.ts";
import { type Atlas, nodeNames, openAtlas } from "./bootstrap.ts";
import { type Check, checksOf } from "./checks.ts";
import { describePlatform, type Platform } from "./config.ts";
import type { City } from "./data.ts";
import { citiesOf } from "./data-set.ts";
import { duration, grouped } from "./format.ts";
import { load } from "./load.ts";
import type { AtlasOptions } from "./options.ts";
import { withProgress } from "./progress.ts";
import { line, strongSummaryOf, summaryOf, verdictOf } from "./report.ts";
import { runStrongAct } from "./strong-act.ts";
import { strongChecksOf } from "./strong-checks.ts";
import { runWorkload } from "./workload.ts";

/** Warp's own default. */
const warmUpKeys = 256;

const warmUp = async (atlas: Atlas): Promise<string> => {
  const startedAt = performance.now();
  const progress = await Promise.all(
    atlas.nodes.map((node) => node.warmup({ concurrency: Math.min(warmUpKeys, atlas.keysPerCall) })),
  );
  const loaded = progress.map((each, index) => `${nodeNames[index]} ${grouped(each.loaded)}`);
  return `${loaded.join(", ")} entries in ${duration(performance.now() - startedAt)}`;
};

const described = (cities: readonly City[]): string => {
  const countries = new Set(cities.map(({ country }) => country)).size;
  const inhabitants = cities.reduce((sum, { population }) => sum + population, 0);
  const empty = cities.filter(({ population }) => population === 0).length;
  const places = `${grouped(cities.length)} cities (${grouped(empty)} without inhabitants) in ${countries} countries`;
  return `${places}, ${grouped(inhabitants)} inhabitants`;
};

const play = async (
  atlas: Atlas,
  cities: readonly City[],
  options: AtlasOptions,
  output: NodeJS.WritableStream,
): Promise<readonly Check[]> => {
  await withProgress("load", cities.length, output, (advance) => load(atlas, cities, advance));
  output.write(line("warm-up", await warmUp(atlas)));
  const outcome = await withProgress("workload", options.operations, output, (advance) =>
    runWorkload(atlas, { ...options, cities, onOperation: () => advance(1) }),
  );
  const startedAt = performance.now();
  const strong = await runStrongAct(atlas, options.seed, atlas.strongCalls);
  output.write(line("strong keys", `flags, a lock and a lost quorum in ${duration(performance.now() - startedAt)}`));
  output.write(`\n${summaryOf(outcome)}\n\n${strongSummaryOf(strong)}\n\n`);
  const findings = await audit(atlas, cities, outcome.ledger);
  const checks = [...checksOf(cities, outcome, findings), ...strongChecksOf(strong)];
  output.write(`${verdictOf(checks)}\n`);
  return checks;
};

/**
 * The whole demo, on a platform that holds nothing of this cluster's yet.
 * @returns What was checked, all of which should have passed.
 */
export const runAtlas = async (
  platform: Platform,
  options: AtlasOptions,
  output: NodeJS.WritableStream,
): Promise<readonly Check[]> => {
  output.write(line("atlas", `${nodeNames.length} Warp nodes on ${describePlatform(platform)}, seed ${options.seed}`));
  const cities = citiesOf(options.cities);
  output.write(line("data", described(cities)));
  const startedAt = performance.now();
  const atlas = await openAtlas(platform);
  let checks: readonly Check[];
  try {
    output.write(line("open", `${nodeNames.join(", ")} in ${duration(performance.now() - startedAt)}`));
    checks = await play(atlas, cities, options, output);
  } catch (error) {
    // What went wrong first is what there is to tell.
    await atlas.close().catch(() => {});
    throw error;
  }
  await atlas.close();
  return checks;
};
