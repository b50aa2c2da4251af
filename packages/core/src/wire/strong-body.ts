import type { OperationId } from "../values/entry.ts";
import { longestVarintBytes, type Reader, textBytes, type Writer } from "./bytes.ts";

/** The sender is about to change these keys: whoever hears it lets go of its copies, makes none, and says so. */
export interface PrepareBody {
  readonly kind: "prepare";
  readonly operation: OperationId;
  /** Counts from 0, where the keys of one operation do not fit into one body. */
  readonly part: number;
  /** How long nothing may be filled unless the outcome is told before, in milliseconds. */
  readonly fenceMs: number;
  readonly keys: readonly string[];
}

/** The answer to a `prepare`, addressed to its sender. */
export interface AcknowledgeBody {
  readonly kind: "acknowledge";
  readonly operation: OperationId;
  readonly part: number;
  /** One of the keys is kept otherwise here. */
  readonly mismatch: boolean;
  /** Where the node is; empty if it does not say. */
  readonly zone: string;
}

/** These keys have changed, by an operation that was announced. */
export interface CommitBody {
  readonly kind: "commit";
  readonly operation: OperationId;
  readonly keys: readonly string[];
  /** As in a drop. */
  readonly sharedDropped: boolean;
}

/** Nothing came of an operation that was announced. */
export interface AbortBody {
  readonly kind: "abort";
  readonly operation: OperationId;
}

/** What strong writes tell. */
export type StrongBody = PrepareBody | AcknowledgeBody | CommitBody | AbortBody;

// Numbers of `frame-body.ts`, never reused.
const prepare = 7;
const acknowledge = 8;
const commit = 9;
const abort = 10;

/** Appends a payload. @returns The number of its kind. */
export const writeStrong = (payload: Writer, body: StrongBody): number => {
  payload.text(body.operation);
  switch (body.kind) {
    case "prepare":
      payload.varint(body.part);
      payload.varint(body.fenceMs);
      payload.keys(body.keys);
      return prepare;
    case "acknowledge":
      payload.varint(body.part);
      payload.byte(body.mismatch ? 1 : 0);
      payload.text(body.zone);
      return acknowledge;
    case "commit":
      payload.byte(body.sharedDropped ? 1 : 0);
      payload.keys(body.keys);
      return commit;
    case "abort":
      return abort;
  }
};

/** The payload of a kind that this file knows. */
export const readStrong = (kind: number, payload: Reader): StrongBody | undefined => {
  if (kind < prepare || kind > abort) return undefined;
  const operation = payload.text();
  if (kind === abort) return { kind: "abort", operation };
  if (kind === commit) {
    const sharedDropped = payload.byte() === 1;
    return { kind: "commit", operation, keys: payload.keys(), sharedDropped };
  }
  const part = payload.varint();
  if (kind === acknowledge)
    return { kind: "acknowledge", operation, part, mismatch: payload.byte() === 1, zone: payload.text() };
  return { kind: "prepare", operation, part, fenceMs: payload.varint(), keys: payload.keys() };
};

/** What a payload takes, in bytes; never less than it really takes. */
export const strongPayloadBytes = (body: StrongBody): number => {
  const named = textBytes(body.operation);
  switch (body.kind) {
    case "prepare":
    case "commit":
      return body.keys.reduce((bytes, key) => bytes + textBytes(key), named + 1 + 3 * longestVarintBytes);
    case "acknowledge":
      return named + longestVarintBytes + 1 + textBytes(body.zone);
    case "abort":
      return named;
  }
};
