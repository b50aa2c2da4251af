import { createHmac, timingSafeEqual } from "node:crypto";
import type { NodeId } from "../ports/bus.ts";
import { longestVarintBytes, Reader, textBytes, Writer } from "./bytes.ts";
import { bodyBytes, dropOverheadBytes, type FrameBody, readBody, writeBody } from "./frame-body.ts";

/** Who says something to whom. */
export interface FrameHeader {
  readonly cluster: string;
  readonly sender: NodeId;
  /** A random id of the sender's life: numbers are counted anew in each. */
  readonly incarnation: string;
  /** Counts the sender's broadcasts from 1; 0 for what is not counted: direct frames, heartbeats, goodbyes. */
  readonly number: number;
  /** The node it is for; `undefined`: everybody. */
  readonly to: NodeId | undefined;
  /** The sender's wall clock, in milliseconds since the epoch. Only the lag metric reads it. */
  readonly sentAt: number;
}

/** What does not change from one frame of a sender to its next. */
export type SenderHeader = Pick<FrameHeader, "cluster" | "sender" | "incarnation" | "to">;

/** What travels on the bus. */
export interface Frame extends FrameHeader {
  readonly bodies: readonly FrameBody[];
}

/** Why a frame was refused: of a later format, not a frame, or not signed with this cluster's secret. */
export type FrameProblem = "version" | "malformed" | "signature";

/** `sender` of a refused frame is what it claims: unproven, and `undefined` where it could not be read. */
export type DecodedFrame =
  | { readonly frame: Frame }
  | { readonly problem: FrameProblem; readonly sender: NodeId | undefined };

// Frames of every version begin with: magic, version, sender. So a frame of a later version still has a name to log.
const magic = 0x57;
const version = 1;

const signedFlag = 1;
const addressedFlag = 2;
const knownFlags = signedFlag | addressedFlag;

// HMAC-SHA-256 truncated to its left half (RFC 2104, section 5).
const tagBytes = 16;
const tagOf = (bytes: Uint8Array, secret: Uint8Array): Uint8Array =>
  createHmac("sha256", secret).update(bytes).digest().subarray(0, tagBytes);

const headerBytes = ({ cluster, sender, incarnation, to }: FrameHeader, signed: boolean): number =>
  3 +
  textBytes(sender) +
  textBytes(cluster) +
  textBytes(incarnation) +
  longestVarintBytes +
  (to === undefined ? 0 : textBytes(to)) +
  8 +
  (signed ? tagBytes : 0);

/**
 * What a frame with one drop takes beside the keys of that drop, in bytes. Each key adds `dropKeyBytes`, each further
 * body `bodyBytes`; the sum is never less than the frame really takes.
 */
export const frameOverheadBytes = (header: FrameHeader, signed: boolean): number =>
  headerBytes(header, signed) + dropOverheadBytes;

/**
 * The bytes of a frame, all of it version 1.
 * @param secret Signs the frame.
 */
export const encodeFrame = (frame: Frame, secret?: Uint8Array): Uint8Array => {
  const signed = secret !== undefined;
  const expected = frame.bodies.reduce((bytes, body) => bytes + bodyBytes(body), headerBytes(frame, signed));
  const writer = new Writer(expected);
  writer.byte(magic);
  writer.byte(version);
  writer.text(frame.sender);
  writer.byte((signed ? signedFlag : 0) | (frame.to === undefined ? 0 : addressedFlag));
  writer.text(frame.cluster);
  writer.text(frame.incarnation);
  writer.varint(frame.number);
  if (frame.to !== undefined) writer.text(frame.to);
  writer.double(frame.sentAt);
  for (const body of frame.bodies) writeBody(writer, body);
  if (signed) writer.raw(tagOf(writer.written(), secret));
  return writer.written();
};

const readFrame = (reader: Reader, sender: NodeId, flags: number, likely: SenderHeader | undefined): Frame => {
  // Made in one piece: to copy a header of its own costs more than to read it.
  const bodies: FrameBody[] = [];
  const frame: Frame = {
    sender,
    cluster: reader.text(likely?.cluster),
    incarnation: reader.text(likely?.incarnation),
    number: reader.varint(),
    to: (flags & addressedFlag) === 0 ? undefined : reader.text(likely?.to),
    sentAt: reader.double(),
    bodies,
  };
  while (reader.left > 0) {
    const body = readBody(reader);
    if (body !== undefined) bodies.push(body);
  }
  return frame;
};

/** Reads the part before the sender; `undefined` unless the bytes are a frame of some version. */
const readVersion = (reader: Reader): number | undefined =>
  reader.left >= 2 && reader.byte() === magic ? reader.byte() : undefined;

/**
 * Reads a frame. Never throws, whatever the bytes. Bodies of an unknown kind are left out.
 * @param secret If given, a frame that was not signed with it is refused. Without one a signature is not looked at, so
 *   that a cluster can be given a secret node by node.
 * @param likely What is the same as here is not decoded anew.
 */
export const decodeFrame = (bytes: Uint8Array, secret?: Uint8Array, likely?: SenderHeader): DecodedFrame => {
  let sender: NodeId | undefined;
  try {
    const reader = new Reader(bytes);
    const found = readVersion(reader);
    if (found === undefined) return { problem: "malformed", sender };
    sender = reader.text(likely?.sender);
    if (found !== version) return { problem: "version", sender };
    const flags = reader.byte();
    if ((flags & ~knownFlags) !== 0) return { problem: "version", sender };
    const signed = (flags & signedFlag) !== 0;
    const end = bytes.length - (signed ? tagBytes : 0);
    if (secret !== undefined) {
      const genuine =
        signed &&
        end > 0 &&
        timingSafeEqual(tagOf(bytes.subarray(0, end), secret), bytes.subarray(end, end + tagBytes));
      if (!genuine) return { problem: "signature", sender };
    }
    const head = bytes.length - reader.left;
    return { frame: readFrame(new Reader(bytes, head, end), sender, flags, likely) };
  } catch {
    // A frame of another version owes us nothing but its first two bytes.
    return {
      problem: bytes[0] === magic && bytes[1] !== version && bytes.length > 1 ? "version" : "malformed",
      sender,
    };
  }
};
