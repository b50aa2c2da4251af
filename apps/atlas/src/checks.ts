import { isDeepStrictEqual } from "node:util";
import type { Findings } from "./audit.ts";
import type { City } from "./data.ts";
import { grouped } from "./format.ts";
import type { Revocation } from "./leases.ts";
import type { Count, Tally } from "./ledger.ts";
import { grown } from "./metrics.ts";
import type { Outcome } from "./workload.ts";

/** One thing that has to hold. */
export interface Check {
  readonly name: string;
  readonly passed: boolean;
  /** What was looked at, and the first things that are wrong. */
  readonly detail: string;
}

const shownFaults = 3;

/** @param faults What is wrong: nothing, if it holds. */
export const check = (name: string, looked: string, faults: readonly string[]): Check => ({
  name,
  passed: faults.length === 0,
  detail:
    faults.length === 0
      ? looked
      : `${grouped(faults.length)} wrong (${looked}): ${faults.slice(0, shownFaults).join("; ")}`,
});

export const checkAgreement = ({
  stored,
  answers,
  fromCaches,
}: Pick<Findings, "stored" | "answers" | "fromCaches">): Check => {
  const faults: string[] = [];
  const keys = new Set([...stored.keys(), ...[...answers.values()].flatMap((held) => [...held.keys()])]);
  for (const [node, held] of answers)
    for (const key of keys)
      if (!isDeepStrictEqual(held.get(key), stored.get(key)))
        faults.push(
          `${node} has ${JSON.stringify(held.get(key))} for ${key}, the store ${JSON.stringify(stored.get(key))}`,
        );
  if (keys.size === 0 || answers.size === 0) faults.push("nothing was compared");
  const looked = `${grouped(keys.size)} keys on ${answers.size} nodes, ${grouped(fromCaches)} of the answers from their caches`;
  return check("every node agrees with the store", looked, faults);
};

/** A count may be as high as if every unknown increment had landed, and as low as if none had. */
export const checkCounts = (
  counts: ReadonlyMap<string, Count>,
  stored: Pick<ReadonlyMap<string, unknown>, "get">,
): Check => {
  const faults: string[] = [];
  let confirmed = 0;
  let unknowns = 0;
  for (const [key, { resolved, unknown }] of counts) {
    const value = stored.get(key) ?? 0;
    confirmed += resolved;
    unknowns += unknown;
    if (typeof value !== "number" || value < resolved || value > resolved + unknown)
      faults.push(`${key} is ${JSON.stringify(value)}, not in [${resolved}, ${resolved + unknown}]`);
  }
  if (confirmed === 0) faults.push("nothing was counted");
  const looked = `${grouped(counts.size)} counters, ${grouped(confirmed)} increments, ${grouped(unknowns)} unknown`;
  return check("no view is lost or counted twice", looked, faults);
};

export const checkInhabitants = (cities: readonly City[], populations: Findings["populations"]): Check => {
  const faults: string[] = [];
  let before = 0;
  let after = 0;
  cities.forEach(({ name, population }, index) => {
    const now = populations[index];
    before += population;
    after += now ?? 0;
    if (now === undefined) faults.push(`${name} is gone`);
    else if (!Number.isSafeInteger(now) || now < 0) faults.push(`${name} has ${now} inhabitants`);
  });
  if (before !== after) faults.push(`there were ${grouped(before)} inhabitants, now there are ${grouped(after)}`);
  if (before === 0) faults.push("nobody was counted");
  return check(
    "no inhabitant is created or destroyed",
    `${grouped(after)} in ${grouped(cities.length)} cities`,
    faults,
  );
};

export const checkYesterday = (asked: number, wrong: number): Check =>
  check("yesterday's figures are as they were loaded", `${grouped(asked)} asked for`, [
    ...(asked === 0 ? ["none was asked for"] : []),
    ...(wrong === 0 ? [] : [`${grouped(wrong)} differ`]),
  ]);

export const checkRevocation = ({ leases, keys, copies, left }: Revocation): Check =>
  check(
    "a revoked lease leaves no copy on any node",
    `${grouped(leases)} leases, ${grouped(keys)} keys, ${grouped(copies)} copies`,
    [...(copies === 0 ? ["there was no copy to drop"] : []), ...(left === 0 ? [] : [`${grouped(left)} copies left`])],
  );

/** @param gaps How often nodes found that they may have missed frames. */
export const checkCut = (gaps: number): Check =>
  check(
    "the node that was cut off noticed it",
    `${grouped(gaps)} times a node may have missed frames`,
    gaps > 0 ? [] : ["none"],
  );

/** A few may fail (a transaction that lost every race); more would make the other checks worth little. */
const toleratedFailures = 0.01;

export const checkAnswers = (tallies: ReadonlyMap<string, Tally>): Check => {
  let asked = 0;
  const failures: string[] = [];
  for (const [kind, { times, failures: codes }] of tallies) {
    asked += times.count;
    for (const [code, count] of codes) {
      asked += count;
      failures.push(...Array.from({ length: count }, () => `${kind}: ${code}`));
    }
  }
  const tolerated = asked > 0 && failures.length <= asked * toleratedFailures;
  return check(
    "the nodes answer",
    `${grouped(asked)} operations, ${grouped(failures.length)} failed`,
    tolerated ? [] : failures.length === 0 ? ["nothing was asked"] : failures,
  );
};

/** Everything that has to hold after a run. */
export const checksOf = (
  cities: readonly City[],
  { ledger, revocation, atCut, after }: Outcome,
  findings: Findings,
): readonly Check[] => [
  checkAgreement(findings),
  checkCounts(ledger.counts, findings.stored),
  checkInhabitants(cities, findings.populations),
  checkYesterday(ledger.tallies.get("yesterday")?.times.count ?? 0, ledger.wrongYesterdays),
  checkRevocation(revocation),
  checkCut(grown(atCut, after, "bus_gaps_total")),
  checkAnswers(ledger.tallies),
];
