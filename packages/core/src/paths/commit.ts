import { WarpError } from "../errors.ts";
import { backoffMs } from "../mechanisms/retry.ts";
import type { CommitReply, StoreAccess } from "../mechanisms/store-access.ts";
import { type CommitAnswer, type Mutation, rememberedOperations, type StoredRecord } from "../ports/store.ts";
import { delay } from "../values/clock.ts";
import type { OperationId, Revision } from "../values/entry.ts";
import { type Context, newOperation } from "./context.ts";
import { dropElsewhere } from "./shared-changes.ts";
import { dropLocal } from "./tiers.ts";

/** One call's way through the store. */
export interface CommitRun {
  /** The public call, for errors. */
  readonly operation: string;
  /** What errors name, unless the call is about several. */
  readonly key: string | undefined;
  /** An attempt is under way: it may land whatever happens here. */
  sent: boolean;
  /** The caller has left: no new attempt is begun. */
  cancelled: boolean;
  /** One of many independent commits, which share round trips. */
  readonly together?: boolean;
  /** Default `"records"`. `"none"`: nobody here reads what the store says of a commit that landed. Not where it is `together`. */
  readonly answer?: CommitAnswer;
  /** Where nobody waits: told why an outcome is not known yet, at ever longer intervals. */
  readonly onUnsettled?: (error: WarpError) => void;
}

export type Settled =
  | {
      readonly kind: "landed";
      readonly operation: OperationId;
      /** None where the run has no use for them, and nothing but this operation has changed the keys since. */
      readonly records: readonly (StoredRecord | undefined)[];
    }
  | { readonly kind: "lost"; readonly conflicts: ReadonlyMap<string, StoredRecord | undefined> };

/** The revision of what a landed commit left under one of its keys, unless somebody has already overwritten it. */
export const revisionLeft = (
  { operation, records }: { readonly operation: OperationId; readonly records: readonly (StoredRecord | undefined)[] },
  index = 0,
): Revision | undefined => (records.length === 0 || records[index]?.revision === operation ? operation : undefined);

type Verdict = "landed" | "lost" | "pending" | "unknown";

const verdictOf = (operation: OperationId, { expected }: Mutation, record: StoredRecord | undefined): Verdict => {
  if (record?.operations.includes(operation) === true) return "landed";
  if (record?.revision === expected) return "pending";
  if (record === undefined) return "lost";
  // The list says what happened since, as long as it reaches back to what the attempt was conditional on.
  const reachesBack =
    expected === undefined ? record.operations.length < rememberedOperations : record.operations.includes(expected);
  return reachesBack ? "lost" : "unknown";
};

/** What the records say of an attempt: it landed on all keys or on none, so the clearest one decides. */
const overallVerdict = (
  operation: OperationId,
  mutations: readonly Mutation[],
  records: readonly (StoredRecord | undefined)[],
): Verdict => {
  const verdicts = mutations.map((mutation, index) => verdictOf(operation, mutation, records[index]));
  const writes = verdicts.filter((_, index) => mutations[index]?.kind !== "check");
  if (writes.includes("landed")) return "landed";
  if (writes.includes("lost")) return "lost";
  if (writes.length > 0 && !writes.includes("pending")) return "unknown";
  // It has not landed, and never will where what it only checked has moved: no revision comes back.
  return verdicts.every((verdict) => verdict === "pending") ? "pending" : "lost";
};

const movedRecords = (
  mutations: readonly Mutation[],
  records: readonly (StoredRecord | undefined)[],
): ReadonlyMap<string, StoredRecord | undefined> => new Map(mutations.map(({ key }, index) => [key, records[index]]));

/** Makes every tier of every node forget `keys`: here at once, then in the shared tier, then everywhere else. */
export const dropEverywhere = async (context: Context, keys: readonly string[]): Promise<void> => {
  let failure: unknown;
  // A local cache that fails keeps neither the other keys nor the other nodes from being told.
  const dropHere = (): void => {
    for (const key of keys) {
      try {
        dropLocal(context, key);
      } catch (error) {
        failure ??= error;
      }
    }
  };
  dropHere();
  await dropElsewhere(context, keys, () => {
    if (context.shared !== undefined) dropHere();
  });
  if (failure !== undefined) throw failure;
};

const pauses = { firstMs: 10, longestMs: 1_000 };

interface Attempt {
  readonly context: Context;
  readonly store: StoreAccess;
  readonly run: CommitRun;
  readonly operation: OperationId;
  readonly mutations: readonly Mutation[];
}

const callOf = ({ operation, key }: CommitRun): { operation: string; key: string | undefined } => ({ operation, key });

const unknownError = ({ run }: Attempt, cause: unknown): WarpError =>
  new WarpError("OUTCOME_UNKNOWN", "the store may or may not have taken this write", {
    cause,
    operation: run.operation,
    port: "store",
    key: run.key,
  });

const readBack = async ({
  store,
  run,
  mutations,
}: Attempt): Promise<readonly (StoredRecord | undefined)[] | undefined> => {
  try {
    return await store.getMany(
      mutations.map(({ key }) => key),
      callOf(run),
    );
  } catch {
    return undefined;
  }
};

/** Finds out what became of an attempt that got neither yes nor no (rule 5), sending the same attempt again if need be. */
const settle = async (attempt: Attempt, cause: WarpError): Promise<Settled> => {
  const { context, store, run, operation, mutations } = attempt;
  let sentAt = context.clock.monotonic();
  for (let round = 0; ; round++) {
    await delay(context.clock, backoffMs(round, context.random, pauses), true);
    const records = await readBack(attempt);
    const verdict = records === undefined ? "unreadable" : overallVerdict(operation, mutations, records);
    if (verdict === "landed" && records !== undefined) return { kind: "landed", operation, records };
    if (verdict === "lost" && records !== undefined)
      return { kind: "lost", conflicts: movedRecords(mutations, records) };
    if (verdict === "unknown") throw unknownError(attempt, cause);
    // After 1, 2, 4, 8 … rounds.
    if ((round & (round + 1)) === 0 && round > 0) run.onUnsettled?.(cause);
    const tooLateToLand = context.clock.monotonic() - sentAt > store.store.landsWithinMs;
    if (run.cancelled && tooLateToLand) throw unknownError(attempt, cause);
    if (verdict !== "pending" || run.cancelled) continue;
    sentAt = context.clock.monotonic();
    context.meters.store.resent++;
    const reply = await store.commit(operation, mutations, callOf(run));
    if (reply.kind === "landed") return { ...reply, operation };
  }
};

const settleUnknown = async (attempt: Attempt, cause: WarpError): Promise<Settled> => {
  const { context, mutations } = attempt;
  context.meters.store.outcomesUnknown++;
  const keys = mutations.filter(({ kind }) => kind !== "check").map(({ key }) => key);
  // A cache that fails to drop owes it; what counts here is the store.
  const forget = (): Promise<void> => dropEverywhere(context, keys).catch(() => undefined);
  // Nobody may serve what the attempt may have replaced: told now, and again once it is settled.
  await forget();
  try {
    return await settle(attempt, cause);
  } finally {
    await forget();
  }
};

const ownLanding = (operation: OperationId, conflicts: ReadonlyMap<string, StoredRecord | undefined>): boolean =>
  [...conflicts.values()].some((record) => record?.operations.includes(operation) === true);

/** The only mutation of a commit that shares its round trip with others. */
const joining = (store: StoreAccess, run: CommitRun, mutations: readonly Mutation[]): Mutation | undefined =>
  run.together === true && store.joinsCommits && mutations.length === 1 ? mutations[0] : undefined;

/** From here on the write may take effect whatever its caller does. @throws {WarpError} `ABORTED` if that one has left. */
export const beginSending = (run: CommitRun): void => {
  if (run.cancelled) {
    throw new WarpError("ABORTED", "the caller left before the commit was sent", callOf(run));
  }
  run.sent = true;
};

/**
 * Sends one attempt and stays with it until it is known to have landed or not.
 * @param named The operation id, where the caller gave one; else each attempt has a new one.
 * @throws {WarpError} What the store refused with; `OUTCOME_UNKNOWN` where it cannot be found out any more.
 */
export const commitOnce = async (
  context: Context,
  store: StoreAccess,
  run: CommitRun,
  named: OperationId | undefined,
  mutations: readonly Mutation[],
): Promise<Settled> => {
  beginSending(run);
  // What only checks changes nothing: whoever leaves meanwhile knows as much.
  run.sent = mutations.some(({ kind }) => kind !== "check");
  const joins = named === undefined ? joining(store, run, mutations) : undefined;
  let operation: OperationId;
  let reply: CommitReply;
  if (joins === undefined) {
    operation = named ?? newOperation(context);
    reply = await store.commit(operation, mutations, callOf(run), run.answer);
  } else ({ operation, reply } = await store.commitWithOthers(joins));
  if (reply.kind === "landed") return { kind: "landed", operation, records: reply.records };
  if (reply.kind === "unknown") {
    const settled = await settleUnknown({ context, store, run, operation, mutations }, reply.error);
    if (settled.kind === "lost") run.sent = false;
    return settled;
  }
  if (reply.kind === "refused") {
    run.sent = false;
    throw reply.error;
  }
  // Whatever it wrote has moved, by its own hand, so the conflict names all of it.
  if (ownLanding(operation, reply.conflicts))
    return { kind: "landed", operation, records: mutations.map(({ key }) => reply.conflicts.get(key)) };
  run.sent = false;
  context.meters.store.conflicts++;
  return reply;
};
