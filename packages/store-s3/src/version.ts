import type { HistoryRetention, OperationId, Revision, StoredRecord, Timestamp } from "@warp/core";

/** A former version that is kept: what its object's name is made of, and when it was superseded. */
export interface KeptVersion {
  readonly committedAt: number;
  readonly micros: number;
  /** How many versions had been kept before it. */
  readonly ordinal: number;
  readonly until: number;
}

/** Everything of a record but its value. */
export interface RecordHeader {
  readonly isTombstone: boolean;
  readonly revision: Revision;
  readonly timestamp: Timestamp;
  readonly committedAt: number;
  readonly operations: readonly OperationId[];
  readonly expiresAt: number | undefined;
  /** Commit time of the key's first record. */
  readonly createdAt: number;
  /** How many versions before this one were kept. */
  readonly kept: number;
  /** The last of them. */
  readonly lastKept: KeptVersion | undefined;
  /** As the last write that wanted history asked. */
  readonly retention: HistoryRetention | undefined;
}

/** A record as it lies in an object. */
export interface Version {
  readonly header: RecordHeader;
  /** No bytes for a tombstone. */
  readonly value: Uint8Array;
}

/**
 * The record as it reads at `at`: an expired value as a tombstone.
 * @param hasIntent Whether its object bears a transaction's intent.
 */
export const recordAt = ({ header, value }: Version, at: number, hasIntent = false): StoredRecord => {
  const { isTombstone, revision, timestamp, committedAt, operations, expiresAt } = header;
  const gone = isTombstone || (expiresAt !== undefined && expiresAt <= at);
  const record = { value: gone ? undefined : value, revision, timestamp, committedAt, operations, expiresAt };
  return hasIntent ? { ...record, underIntent: true } : record;
};
