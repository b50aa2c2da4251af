import type { NatsMessage } from "./nats-client.ts";

/** Where a message stands in its stream, and among those delivered to its consumer. Both count from 1 without holes. */
export interface Delivery {
  readonly streamSequence: number;
  readonly deliverySequence: number;
}

/**
 * Reads them from the reply subject of a delivered message (NATS documentation, "JetStream wire API reference"):
 * `$JS.ACK.<stream>.<consumer>.<times delivered>.<stream sequence>.<consumer sequence>.<time>.<pending>`, and from server
 * 2.11 on with domain and account hash after `ACK`.
 */
export const deliveryOf = ({ reply = "" }: NatsMessage): Delivery | undefined => {
  const words = reply.split(".");
  const at = words.length === 9 ? 5 : 7;
  const [streamSequence, deliverySequence] = [Number(words[at]), Number(words[at + 1])];
  if (words[0] !== "$JS" || !Number.isSafeInteger(streamSequence) || !Number.isSafeInteger(deliverySequence))
    return undefined;
  return { streamSequence, deliverySequence };
};

/** What the server itself says to a subscriber. */
export interface Control {
  /** Status 100 is routine, all else an end. */
  readonly isRoutine: boolean;
  /** Where it wants to be told that the subscriber has come so far. */
  readonly answerTo: string | undefined;
  /** The delivery sequence of the last message sent; only in heartbeats. */
  readonly lastDelivered: number | undefined;
}

/** @returns `undefined` for a message of the stream. */
export const controlOf = ({ reply = "", headers }: NatsMessage): Control | undefined => {
  if (headers === undefined || headers.code === 0) return undefined;
  const answerTo = reply === "" ? headers.get("Nats-Consumer-Stalled") : reply;
  const last = headers.get("Nats-Last-Consumer");
  return {
    isRoutine: headers.code === 100,
    answerTo: answerTo === "" ? undefined : answerTo,
    lastDelivered: last === "" ? undefined : Number(last),
  };
};
