import type { KeptVersion, RecordHeader } from "./version.ts";

/** A record's header as it lies in an object. Fields are added, never renamed: every version stays readable. */
interface HeaderJson {
  /** Bytes of the value; absent for a tombstone. */
  readonly size?: number | undefined;
  /** Newest first; the first is the revision. */
  readonly operations: readonly string[];
  readonly micros: number;
  readonly node: string;
  readonly committedAt: number;
  readonly createdAt: number;
  readonly expiresAt?: number | undefined;
  readonly kept?: number | undefined;
  readonly lastKept?: KeptVersion | undefined;
  readonly retention?: { readonly versions?: number | undefined; readonly maxAgeMs?: number | undefined } | undefined;
}

/** JSON knows no infinity; a bound that is none is left out. */
const finite = (bound: number | undefined): number | undefined => (Number.isFinite(bound) ? bound : undefined);

export const headerJson = (header: RecordHeader, valueBytes: number): HeaderJson => ({
  size: header.isTombstone ? undefined : valueBytes,
  operations: header.operations,
  micros: header.timestamp.micros,
  node: header.timestamp.node,
  committedAt: header.committedAt,
  createdAt: header.createdAt,
  expiresAt: header.expiresAt,
  kept: header.kept === 0 ? undefined : header.kept,
  lastKept: header.lastKept,
  retention: header.retention && {
    versions: finite(header.retention.versions),
    maxAgeMs: finite(header.retention.maxAgeMs),
  },
});

const numberOf = (value: unknown, field: string): number => {
  if (typeof value === "number" && Number.isFinite(value) && value >= 0) return value;
  throw new Error(`${field} is no number`);
};

const optional = (value: unknown, field: string): number | undefined =>
  value === undefined ? undefined : numberOf(value, field);

const keptVersionOf = (value: Partial<KeptVersion> | undefined): KeptVersion | undefined =>
  value && {
    committedAt: numberOf(value.committedAt, "lastKept.committedAt"),
    micros: numberOf(value.micros, "lastKept.micros"),
    ordinal: numberOf(value.ordinal, "lastKept.ordinal"),
    until: numberOf(value.until, "lastKept.until"),
  };

/** @throws Whatever, if this is no header. */
export const asHeader = (json: Partial<HeaderJson>): { header: RecordHeader; valueBytes: number } => {
  const { operations, node, retention } = json;
  if (!Array.isArray(operations) || operations.some((one) => typeof one !== "string")) throw new Error("no operations");
  const [revision] = operations;
  if (revision === undefined || typeof node !== "string") throw new Error("no revision or no node");
  const size = optional(json.size, "size");
  const header: RecordHeader = {
    isTombstone: size === undefined,
    revision,
    timestamp: { micros: numberOf(json.micros, "micros"), node },
    committedAt: numberOf(json.committedAt, "committedAt"),
    operations,
    expiresAt: optional(json.expiresAt, "expiresAt"),
    createdAt: numberOf(json.createdAt, "createdAt"),
    kept: optional(json.kept, "kept") ?? 0,
    lastKept: keptVersionOf(json.lastKept),
    retention: retention && {
      versions: optional(retention.versions, "versions"),
      maxAgeMs: optional(retention.maxAgeMs, "maxAgeMs"),
    },
  };
  return { header, valueBytes: size ?? 0 };
};
