import { type Mutation, nextTimestamp, type OperationId, rememberedOperations } from "@warp/core";
import type { RecordHeader, Version } from "./version.ts";

export type WriteMutation = Exclude<Mutation, { readonly kind: "check" }>;

const noBytes = new Uint8Array(0);

/** A copy of what a mutation writes: the caller may change its bytes as soon as it has called. */
export const bytesOf = (mutation: Mutation): Uint8Array =>
  mutation.kind === "put" ? Uint8Array.from(mutation.value) : noBytes;

/**
 * When a commit over `befores` is dated: a millisecond after each at least, so that nodes whose clocks differ keep a
 * past in which each version stood.
 */
export const commitTime = (now: number, befores: readonly (Version | undefined)[]): number =>
  befores.reduce((latest, before) => Math.max(latest, (before?.header.committedAt ?? -1) + 1), now);

interface Write {
  readonly operation: OperationId;
  readonly mutation: WriteMutation;
  readonly value: Uint8Array;
}

/** The record that is to stand, with a timestamp above that of the one that does. */
export const successorOf = (
  { operation, mutation, value }: Write,
  former: RecordHeader | undefined,
  now: number,
  committedAt: number,
  kept: Pick<RecordHeader, "kept" | "lastKept" | "retention">,
): Version => {
  const ttlMs = mutation.kind === "put" ? (mutation.ttlMs ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY;
  const header: RecordHeader = {
    isTombstone: mutation.kind === "delete",
    revision: operation,
    timestamp: nextTimestamp(now, mutation.timestamp.node, former?.timestamp),
    committedAt,
    operations: [operation, ...(former?.operations ?? []).slice(0, rememberedOperations - 1)],
    expiresAt: ttlMs === Number.POSITIVE_INFINITY ? undefined : committedAt + ttlMs,
    createdAt: former?.createdAt ?? committedAt,
    ...kept,
  };
  return { header, value };
};
