import { MemoryStore } from "@warp/core";
import { FillGuard } from "../../../packages/core/src/mechanisms/fill-guard.ts";
import { Outbox } from "../../../packages/core/src/mechanisms/outbox.ts";
import { Peers } from "../../../packages/core/src/mechanisms/peers.ts";
import { Registration } from "../../../packages/core/src/mechanisms/registration.ts";
import { SharedAccess } from "../../../packages/core/src/mechanisms/shared-access.ts";
import { SharedEpoch } from "../../../packages/core/src/mechanisms/shared-epoch.ts";
import { StoreAccess } from "../../../packages/core/src/mechanisms/store-access.ts";
import {
  deafTo,
  joinVoided,
  lateGeneration,
  nothing,
  renamed,
  replace,
  restartHidesDeath,
  unconditional,
  unknownIsRefused,
} from "./breakages.ts";
import { busOutage } from "./scenarios/bus-outage.ts";
import { death } from "./scenarios/death.ts";
import { foreignWrites } from "./scenarios/foreign-writes.ts";
import { gap } from "./scenarios/gap.ts";
import { overtakenLoad } from "./scenarios/overtaken-load.ts";
import { overtakenLoader } from "./scenarios/overtaken-loader.ts";
import { overtakenReply } from "./scenarios/overtaken-reply.ts";
import { restart } from "./scenarios/restart.ts";
import { sharedSlot } from "./scenarios/shared-slot.ts";
import { sharedTrouble } from "./scenarios/shared-trouble.ts";
import { storeExpiry } from "./scenarios/store-expiry.ts";
import { unknownOutcome } from "./scenarios/unknown-outcome.ts";
import { withoutStore } from "./scenarios/without-store.ts";
import { writeBehind } from "./scenarios/write-behind.ts";
import type { Scheduler } from "./scheduler.ts";

/** A core that breaks one of its rules: the scenario must notice. */
export interface Mutant {
  /** The rule as it breaks it. */
  readonly name: string;
  readonly scenario: (scheduler: Scheduler) => Promise<void>;
  /** Breaks it. The returned function mends it. */
  readonly apply: () => () => void;
}

export const mutants: readonly Mutant[] = [
  {
    name: "a load that was overtaken fills",
    scenario: overtakenLoad,
    apply: () => replace(FillGuard.prototype, "isValid", () => () => true),
  },
  {
    name: "a drop voids no load",
    scenario: overtakenLoad,
    apply: () => replace(FillGuard.prototype, "void", () => nothing),
  },
  {
    name: "a drop voids no loader",
    scenario: overtakenLoader,
    apply: () => replace(FillGuard.prototype, "void", () => nothing),
  },
  {
    name: "a write to the local tier voids no load",
    scenario: writeBehind,
    apply: () => replace(FillGuard.prototype, "void", () => nothing),
  },
  {
    name: "a write behind whose outcome is unknown is made again",
    scenario: writeBehind,
    apply: unknownIsRefused,
  },
  {
    name: "the store's expiries are judged by a clock that is an hour behind",
    scenario: storeExpiry,
    apply: () =>
      replace(
        StoreAccess.prototype,
        "estimatedNow",
        (original) =>
          function (this: StoreAccess) {
            return original.call(this) - 3_600_000;
          },
      ),
  },
  { name: "a reader joins a load that was overtaken", scenario: overtakenLoad, apply: joinVoided },
  {
    name: "a write's own value is put whatever overtook its reply",
    scenario: overtakenReply,
    apply: () =>
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
  },
  {
    name: "a write does not void the loads under way",
    scenario: overtakenReply,
    apply: () =>
      replace(
        FillGuard.prototype,
        "claim",
        () =>
          function (this: FillGuard, token) {
            return this.isValid(token);
          },
      ),
  },
  { name: "a commit lands whatever was written meanwhile", scenario: overtakenReply, apply: unconditional },
  {
    name: "a filler puts whatever happened to the slot",
    scenario: sharedSlot,
    apply: () =>
      replace(
        SharedAccess.prototype,
        "put",
        (original) =>
          function (this: SharedAccess, put) {
            return original.call(this, { ...put, token: undefined });
          },
      ),
  },
  {
    name: "a write leaves the slot as it is",
    scenario: sharedSlot,
    apply: () => replace(SharedAccess.prototype, "drop", () => () => Promise.resolve()),
  },
  { name: "a skipped number is no gap", scenario: gap, apply: () => deafTo("gap") },
  {
    name: "nothing makes an entry suspect",
    scenario: gap,
    apply: () => replace(Registration.prototype, "raise", () => nothing),
  },
  { name: "a fill counts as begun after a gap that came during it", scenario: gap, apply: lateGeneration },
  {
    name: "nobody notices a node that vanished",
    scenario: death,
    apply: () => replace(Peers.prototype, "vanished", () => () => []),
  },
  {
    name: "the epoch stays when a node vanished",
    scenario: death,
    apply: () => replace(SharedEpoch.prototype, "renew", () => nothing),
  },
  {
    name: "what a dead node sent is not waited for",
    scenario: (scheduler) => death(scheduler, { declares: false }),
    apply: () => nothing,
  },
  {
    name: "a sender first heard in the middle of its life is no gap",
    scenario: restart,
    apply: () => deafTo("unknown-sender"),
  },
  { name: "a restart hides the death before it", scenario: restart, apply: restartHidesDeath },
  { name: "an attempt is sent again under another id", scenario: unknownOutcome, apply: renamed },
  { name: "an outcome that is unknown is taken for a refusal", scenario: unknownOutcome, apply: unknownIsRefused },
  { name: "a counter lands whatever was added meanwhile", scenario: unknownOutcome, apply: unconditional },
  {
    name: "what is owed to the shared tier is forgotten",
    scenario: sharedTrouble,
    apply: () => replace(SharedAccess.prototype, "owe", () => nothing),
  },
  {
    name: "a tier that went back in time keeps its epoch",
    scenario: sharedTrouble,
    apply: () => replace(SharedEpoch.prototype, "renew", () => nothing),
  },
  {
    name: "foreign writes are not told",
    scenario: foreignWrites,
    apply: () => replace(MemoryStore.prototype, "watch", () => () => Promise.resolve(() => Promise.resolve())),
  },
  {
    name: "a gap of the change feed makes nothing suspect",
    scenario: foreignWrites,
    apply: () => replace(Registration.prototype, "raise", () => nothing),
  },
  {
    name: "a foreign write leaves the slot as it is",
    scenario: foreignWrites,
    apply: () => replace(SharedAccess.prototype, "drop", () => () => Promise.resolve()),
  },
  {
    name: "a gap of the change feed leaves the epoch as it is",
    scenario: foreignWrites,
    apply: () => replace(SharedEpoch.prototype, "renew", () => nothing),
  },
  {
    name: "what comes while the transport refuses is lost",
    scenario: busOutage,
    apply: () =>
      replace(
        Outbox.prototype,
        "add",
        (original) =>
          function (this: Outbox, ...drops) {
            if (!this.isRetrying) original.apply(this, drops);
          },
      ),
  },
  {
    name: "without a store nobody is told of a write",
    scenario: withoutStore,
    apply: () => replace(Outbox.prototype, "add", () => nothing),
  },
  {
    name: "without a store a write that the shared tier may have missed is not owed to it",
    scenario: withoutStore,
    apply: () => replace(SharedAccess.prototype, "owe", () => nothing),
  },
  {
    name: "without a store a drop voids no read of the shared tier",
    scenario: withoutStore,
    apply: () => replace(FillGuard.prototype, "void", () => nothing),
  },
  {
    name: "without a store nothing makes an entry suspect",
    scenario: withoutStore,
    apply: () => replace(Registration.prototype, "raise", () => nothing),
  },
  {
    name: "without a store a tier that went back in time keeps its epoch",
    scenario: withoutStore,
    apply: () => replace(SharedEpoch.prototype, "renew", () => nothing),
  },
  {
    name: "without a store a short write does not reach the shared tier",
    scenario: withoutStore,
    apply: () => replace(SharedAccess.prototype, "putNow", () => () => Promise.resolve()),
  },
];
