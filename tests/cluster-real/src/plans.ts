import { seeded } from "@warp/tests-services/seeded";
import {
  type Fault,
  failOver,
  freezeNode,
  freezeServer,
  killNode,
  type Manner,
  type PlannedFault,
  restartServer,
  spoilLine,
} from "./faults.ts";
import type { Combination } from "./protocol.ts";
import type { SitePort } from "./site.ts";

export interface PlanOptions {
  readonly seed: number;
  readonly combination: Combination;
  readonly nodes: number;
  readonly calls: number;
  /** How many faults. */
  readonly faults: number;
  /** Each begins before the one before it is over. Default false. */
  readonly overlapping?: boolean;
  /** Where in the list of faults that are certain the plan begins, for plans that are shorter than it. Default the seed. */
  readonly turn?: number;
}

/** No fault lasts longer: a commit must not be under way for longer than its store says. */
const mostMs = 4_000;

type Pick = (count: number) => number;

/** Which server of several. */
const whichOf = (combination: Combination, of: SitePort, pick: Pick): number =>
  of === "bus" && combination.bus === "nats-cluster" ? pick(3) : 0;

/** What no run that is long enough leaves to chance: the death, the silence and the seclusion of each kind of process. */
const certainOf = (combination: Combination, nodes: number, pick: Pick): readonly Fault[] => [
  killNode(pick(nodes)),
  restartServer("bus", whichOf(combination, "bus", pick)),
  freezeNode(pick(nodes)),
  spoilLine("bus", "cut", pick(nodes)),
  restartServer("store"),
  freezeServer("store"),
  ...(combination.cache === "memory+redis" ? [restartServer("cache"), freezeServer("cache")] : []),
  ...(combination.cache === "memory+sentinel" ? [failOver] : []),
];

/** What can go wrong, each kind equally likely but the death of nodes, which comes twice. */
const menuOf = (combination: Combination, nodes: number, pick: Pick): readonly (() => Fault)[] => {
  const ports: readonly SitePort[] =
    combination.cache === "memory+redis" ? ["bus", "store", "cache"] : ["bus", "store"];
  const manners: readonly Manner[] = ["cut", "drop", "lose requests", "lose replies", "slow"];
  const port = (): SitePort => ports[pick(ports.length)] as SitePort;
  const which = (of: SitePort): number => whichOf(combination, of, pick);
  const manner = (): Manner => manners[pick(manners.length)] as Manner;
  return [
    () => killNode(pick(nodes)),
    () => killNode(pick(nodes)),
    () => freezeNode(pick(nodes)),
    ...ports.map((to) => () => spoilLine(to, manner(), pick(nodes))),
    () => spoilLine(port(), manner(), "every node"),
    ...ports.map((of) => () => restartServer(of, which(of))),
    () => {
      const of = port();
      return freezeServer(of, which(of));
    },
    ...(combination.cache === "memory+sentinel" ? [() => failOver] : []),
  ];
};

/** In an order of the seed's: Durstenfeld, "Algorithm 235: Random permutation" (CACM, 1964). */
const shuffled = <T>(list: readonly T[], pick: Pick): readonly T[] => {
  const all = [...list];
  for (let last = all.length - 1; last > 0; last -= 1) {
    const other = pick(last + 1);
    [all[last], all[other]] = [all[other] as T, all[last] as T];
  }
  return all;
};

/** A seed's faults, at even distances: first of all those that are certain, as many as there is room for. */
export const planOf = (options: PlanOptions): readonly PlannedFault[] => {
  const { seed, combination, nodes, calls, faults, overlapping = false, turn = seed } = options;
  const random = seeded(seed);
  const pick = (count: number): number => Math.floor(random() * count);
  const certain = certainOf(combination, nodes, pick);
  const menu = menuOf(combination, nodes, pick);
  const chosen = Array.from({ length: faults }, (_, at) =>
    at < certain.length ? (certain[(turn + at) % certain.length] as Fault) : (menu[pick(menu.length)] as () => Fault)(),
  );
  const distance = calls / (faults + 1);
  return shuffled(chosen, pick).map((fault, at) => ({
    fault,
    at: Math.floor(distance * (at + 1)),
    calls: Math.floor(distance * (overlapping ? 1.5 : 0.6)),
    mostMs,
  }));
};
