import { MemoryCache, MemoryStore } from "@warp/core";
import { Fences } from "../../../packages/core/src/mechanisms/fences.ts";
import { FillGuard } from "../../../packages/core/src/mechanisms/fill-guard.ts";
import { Quorum } from "../../../packages/core/src/mechanisms/quorum.ts";
import { StrongSide } from "../../../packages/core/src/paths/strong-side.ts";
import { joinCommitting, nothing, renamed, replace, together, unconditional, unknownIsRefused } from "./breakages.ts";
import {
  copiesUnasked,
  isLock,
  keyByKey,
  lateReaders,
  takeHeld,
  twoRevisions,
  unburied,
  unfenced,
} from "./strong-breakages.ts";

/**
 * What notices a mutant: the history of answers, what nodes acknowledged and the quorum they make, the grants of locks, or
 * what is left over.
 */
export type StrongCheck = "history" | "acknowledged" | "quorum" | "locks" | "leaks";

/** A core that leaves out one step of the strong mode's protocol. */
export interface StrongMutant {
  readonly name: string;
  readonly caughtBy: StrongCheck;
  /** The first seed that does, of those from 1 on: where tests begin. */
  readonly seed: number;
  /** Breaks it. The returned function mends it. */
  readonly apply: () => () => void;
}

export const strongMutants: readonly StrongMutant[] = [
  {
    name: "nothing is fenced",
    caughtBy: "acknowledged",
    seed: 10,
    apply: () => replace(Fences.prototype, "raise", () => () => true),
  },
  {
    name: "a fence ends at once",
    caughtBy: "acknowledged",
    seed: 10,
    apply: () =>
      replace(
        Fences.prototype,
        "raise",
        (original) =>
          function (this: Fences, operation, keys) {
            return original.call(this, operation, keys, 0);
          },
      ),
  },
  {
    name: "one operation's outcome lifts every fence",
    caughtBy: "acknowledged",
    seed: 10,
    apply: () => {
      const raised = new WeakMap<Fences, Set<string>>();
      return together(
        () =>
          replace(
            Fences.prototype,
            "raise",
            (original) =>
              function (this: Fences, operation, ...rest) {
                raised.set(this, (raised.get(this) ?? new Set()).add(operation));
                return original.call(this, operation, ...rest);
              },
          ),
        () =>
          replace(
            Fences.prototype,
            "lift",
            (original) =>
              function (this: Fences) {
                for (const operation of raised.get(this) ?? []) original.call(this, operation);
              },
          ),
      )();
    },
  },
  {
    name: "a node acknowledges and keeps its copy",
    caughtBy: "acknowledged",
    seed: 1,
    apply: () => replace(MemoryCache.prototype, "delete", () => () => false as never),
  },
  {
    name: "a load fills whatever was announced meanwhile",
    caughtBy: "acknowledged",
    seed: 1,
    apply: together(unfenced, () => replace(FillGuard.prototype, "isValid", () => () => true)),
  },
  {
    name: "a writer puts its own value whatever was announced meanwhile",
    caughtBy: "acknowledged",
    seed: 1,
    apply: together(unfenced, () =>
      replace(
        FillGuard.prototype,
        "claim",
        (original) =>
          function (this: FillGuard, token) {
            original.call(this, token);
            token.version = token.slot.version;
            return true;
          },
      ),
    ),
  },
  {
    name: "a commit does not wait for the quorum",
    caughtBy: "quorum",
    seed: 1,
    apply: () =>
      replace(
        StrongSide.prototype,
        "prepare",
        (original) =>
          function (this: StrongSide, announcement) {
            original.call(this, announcement).catch(nothing);
            return Promise.resolve();
          },
      ),
  },
  {
    name: "the writer counts twice",
    caughtBy: "quorum",
    seed: 1,
    apply: () => {
      const { get } = Object.getOwnPropertyDescriptor(Quorum.prototype, "acknowledged") as { get: () => number };
      const counted = function (this: Quorum): number {
        return get.call(this) + 1;
      };
      Object.defineProperty(Quorum.prototype, "acknowledged", { configurable: true, get: counted });
      return () => Object.defineProperty(Quorum.prototype, "acknowledged", { configurable: true, get });
    },
  },
  { name: "a commit lands whatever was written meanwhile", caughtBy: "history", seed: 1, apply: unconditional },
  {
    name: "what a transaction only read is not compared",
    caughtBy: "history",
    seed: 57,
    apply: () =>
      replace(
        MemoryStore.prototype,
        "commit",
        (original) =>
          async function (this: MemoryStore, operation, mutations, options) {
            const writes = mutations.filter(({ kind }) => kind !== "check");
            const records = await original.call(this, operation, writes, options);
            return mutations.map((one) => records[writes.indexOf(one)]);
          },
      ),
  },
  { name: "an attempt is sent again under another id", caughtBy: "history", seed: 1416, apply: renamed },
  {
    name: "an outcome that is unknown is taken for a refusal",
    caughtBy: "history",
    seed: 130,
    apply: unknownIsRefused,
  },
  { name: "revisions come back", caughtBy: "history", seed: 4, apply: twoRevisions },
  {
    name: "a question is shared with a reader who came after it was sent",
    caughtBy: "history",
    seed: 50,
    apply: lateReaders,
  },
  {
    name: "a copy is served unasked",
    caughtBy: "history",
    seed: 45,
    apply: copiesUnasked,
  },
  { name: "an expiry is told and not written down", caughtBy: "history", seed: 2568, apply: unburied },
  { name: "many keys are read one after another", caughtBy: "history", seed: 74, apply: keyByKey },
  { name: "a caller joins a load whose commit was sent", caughtBy: "history", seed: 4006, apply: joinCommitting },
  {
    name: "a node that keeps the key otherwise counts",
    caughtBy: "quorum",
    seed: 14,
    apply: () =>
      replace(
        Quorum.prototype,
        "mismatch",
        () =>
          function (this: Quorum, node) {
            this.acknowledge(node, 0, "");
          },
      ),
  },
  { name: "a lock is granted that somebody holds", caughtBy: "locks", seed: 1, apply: takeHeld },
  {
    name: "a token is the clock of whoever asks",
    caughtBy: "locks",
    seed: 15,
    apply: () =>
      replace(
        MemoryStore.prototype,
        "commit",
        (original) =>
          async function (this: MemoryStore, operation, mutations, options) {
            const records = await original.call(this, operation, mutations, options);
            return records.map((record, index) => {
              const mutation = mutations[index];
              return record !== undefined && mutation?.kind === "put" && isLock(mutation.key)
                ? { ...record, timestamp: mutation.timestamp }
                : record;
            });
          },
      ),
  },
  {
    name: "a fence whose writer died stays",
    caughtBy: "leaks",
    seed: 12,
    apply: () => replace(Fences.prototype, "sweep", () => nothing),
  },
];
