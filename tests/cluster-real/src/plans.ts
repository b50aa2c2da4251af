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
}

/** No fault lasts longer: a commit must not be under way for longer than its store says. */
const mostMs = 4_000;

/** What can go wrong, each kind equally likely but the death of nodes, which comes twice. */
const menuOf = (combination: Combination, nodes: number, pick: (count: number) => number): readonly (() => Fault)[] => {
  const ports: readonly SitePort[] =
    combination.cache === "memory+redis" ? ["bus", "store", "cache"] : ["bus", "store"];
  const manners: readonly Manner[] = ["cut", "drop", "lose requests", "lose replies", "slow"];
  const port = (): SitePort => ports[pick(ports.length)] as SitePort;
  const which = (of: SitePort): number => (of === "bus" && combination.bus === "nats-cluster" ? pick(3) : 0);
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

/** A seed's faults, at even distances. */
export const planOf = (options: PlanOptions): readonly PlannedFault[] => {
  const { seed, combination, nodes, calls, faults, overlapping = false } = options;
  const random = seeded(seed);
  const pick = (count: number): number => Math.floor(random() * count);
  const menu = menuOf(combination, nodes, pick);
  const distance = calls / (faults + 1);
  return Array.from({ length: faults }, (_, at) => ({
    fault: (menu[pick(menu.length)] as () => Fault)(),
    at: Math.floor(distance * (at + 1)),
    calls: Math.floor(distance * (overlapping ? 1.5 : 0.6)),
    mostMs,
  }));
};
