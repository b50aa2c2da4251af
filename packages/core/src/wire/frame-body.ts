import type { NodeId } from "../ports/bus.ts";
import { longestVarintBytes, type Reader, textBytes, Writer } from "./bytes.ts";
import { readStrong, type StrongBody, strongPayloadBytes, writeStrong } from "./strong-body.ts";

/** Drop these keys from every cache of the receiver. */
export interface DropBody {
  readonly kind: "drop";
  readonly keys: readonly string[];
  /** Whether the sender dropped them in the shared tier; if not, each receiver does before it reads them from there. */
  readonly sharedDropped: boolean;
}

/** Everything distributed is suspect: the sender no longer knows which keys it had to tell of. */
export interface DropAllBody {
  readonly kind: "drop-all";
}

/** What a node last heard from another. */
export interface Heard {
  readonly node: NodeId;
  readonly incarnation: string;
  readonly last: number;
}

/** The sender lives. */
export interface HeartbeatBody {
  readonly kind: "heartbeat";
  /** The number of its last numbered frame; 0 before the first. */
  readonly last: number;
  readonly heard: readonly Heard[];
  /** The epoch of the shared tier that it trusts. */
  readonly epoch: string | undefined;
  /** Whose goodbye the sender heard lately. */
  readonly departed?: readonly Heard[];
}

/** The sender leaves, and everything it had to tell is told. */
export interface GoodbyeBody {
  readonly kind: "goodbye";
  /** The number of its last numbered frame; 0 if it sent none. */
  readonly last: number;
}

/** A lease was granted, renewed or ended. */
export interface LeaseBody {
  readonly kind: "lease";
  readonly id: string;
  /** In milliseconds since the epoch, by the clock that leases are dated with. `Infinity` allowed. */
  readonly expiresAt: number;
  readonly ended: boolean;
}

/** A key was attached to a lease. */
export interface AttachBody {
  readonly kind: "attach";
  readonly lease: string;
  readonly key: string;
}

/** One piece of news. Each is written with its length, so that a kind of a later version is skipped, not fatal. */
export type FrameBody = DropBody | DropAllBody | HeartbeatBody | GoodbyeBody | LeaseBody | AttachBody | StrongBody;

// Numbers are never reused. A payload may grow at its end: what a reader does not know there it leaves unread.
const drop = 1;
const dropAll = 2;
const heartbeat = 3;
const goodbye = 4;
const lease = 5;
const attach = 6;
// 7 to 10: strong writes.

const writeHeard = (payload: Writer, heard: readonly Heard[]): void => {
  payload.varint(heard.length);
  for (const { node, incarnation, last } of heard) {
    payload.text(node);
    payload.text(incarnation);
    payload.varint(last);
  }
};

const writePayload = (payload: Writer, body: FrameBody): number => {
  switch (body.kind) {
    case "drop":
      payload.byte(body.sharedDropped ? 1 : 0);
      payload.keys(body.keys);
      return drop;
    case "drop-all":
      return dropAll;
    case "heartbeat":
      payload.varint(body.last);
      writeHeard(payload, body.heard);
      payload.byte(body.epoch === undefined ? 0 : 1);
      if (body.epoch !== undefined) payload.text(body.epoch);
      if (body.departed !== undefined) writeHeard(payload, body.departed);
      return heartbeat;
    case "goodbye":
      payload.varint(body.last);
      return goodbye;
    case "lease":
      payload.text(body.id);
      payload.double(body.expiresAt);
      payload.byte(body.ended ? 1 : 0);
      return lease;
    case "attach":
      payload.text(body.lease);
      payload.text(body.key);
      return attach;
    default:
      return writeStrong(payload, body);
  }
};

/** Reused: a payload is written in one go, and its length goes before it. */
const scratch = new Writer();

/** Appends a body: kind, length, payload. */
export const writeBody = (writer: Writer, body: FrameBody): void => {
  scratch.clear();
  const kind = writePayload(scratch, body);
  const bytes = scratch.written();
  writer.byte(kind);
  writer.varint(bytes.length);
  writer.raw(bytes);
};

const readDrop = (payload: Reader): DropBody => {
  const sharedDropped = payload.byte() === 1;
  return { kind: "drop", keys: payload.keys(), sharedDropped };
};

const readHeard = (payload: Reader): readonly Heard[] => {
  const heard: Heard[] = [];
  for (let left = payload.varint(); left > 0; left -= 1)
    heard.push({ node: payload.text(), incarnation: payload.text(), last: payload.varint() });
  return heard;
};

const readHeartbeat = (payload: Reader): HeartbeatBody => {
  const last = payload.varint();
  const heard = readHeard(payload);
  const epoch = payload.byte() === 1 ? payload.text() : undefined;
  const body = { kind: "heartbeat", last, heard, epoch } as const;
  return payload.left > 0 ? { ...body, departed: readHeard(payload) } : body;
};

/** The next body, or `undefined` for one of a kind that this version does not know. */
export const readBody = (reader: Reader): FrameBody | undefined => {
  const kind = reader.byte();
  const payload = reader.part(reader.varint());
  switch (kind) {
    case drop:
      return readDrop(payload);
    case dropAll:
      return { kind: "drop-all" };
    case heartbeat:
      return readHeartbeat(payload);
    case goodbye:
      return { kind: "goodbye", last: payload.varint() };
    case lease:
      return { kind: "lease", id: payload.text(), expiresAt: payload.double(), ended: payload.byte() === 1 };
    case attach:
      return { kind: "attach", lease: payload.text(), key: payload.text() };
    default:
      return readStrong(kind, payload);
  }
};

// Kind and length of a body.
const envelopeBytes = 1 + longestVarintBytes;

/** What a drop takes beside its keys, in bytes; never less than it really takes. */
export const dropOverheadBytes: number = envelopeBytes + 1 + longestVarintBytes;

/** What a key takes in a drop, in bytes. */
export const dropKeyBytes = (key: string): number => textBytes(key);

/** What a body takes, in bytes; never less than it really takes. */
export const bodyBytes = (body: FrameBody): number => {
  switch (body.kind) {
    case "drop":
      return body.keys.reduce((bytes, key) => bytes + dropKeyBytes(key), dropOverheadBytes);
    case "heartbeat":
      return [...body.heard, ...(body.departed ?? [])].reduce(
        (bytes, { node, incarnation }) => bytes + textBytes(node) + textBytes(incarnation) + longestVarintBytes,
        envelopeBytes + 3 * longestVarintBytes + 1 + (body.epoch === undefined ? 0 : textBytes(body.epoch)),
      );
    case "lease":
      return envelopeBytes + textBytes(body.id) + 9;
    case "attach":
      return envelopeBytes + textBytes(body.lease) + textBytes(body.key);
    case "prepare":
    case "acknowledge":
    case "commit":
    case "abort":
      return envelopeBytes + strongPayloadBytes(body);
    default:
      return envelopeBytes + longestVarintBytes;
  }
};

/** `bodies` in as many pieces as frames need. @param roomBytes Room for bodies in one frame. */
export const inFrames = (bodies: readonly FrameBody[], roomBytes: number): readonly (readonly FrameBody[])[] => {
  const frames: FrameBody[][] = [];
  let left = 0;
  for (const body of bodies) {
    const bytes = bodyBytes(body);
    if (left < bytes || frames.length === 0) {
      frames.push([]);
      left = roomBytes;
    }
    left -= bytes;
    frames[frames.length - 1]?.push(body);
  }
  return frames;
};
