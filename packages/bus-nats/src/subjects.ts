import { describeValue, type NodeId, WarpError } from "@warp/core";

/** @throws {WarpError} `INVALID_ARGUMENT` if messages cannot be published under it (NATS documentation, "Subjects"). */
export const requireSubject = (subject: unknown): string => {
  if (typeof subject === "string" && /^[^\s.*>]+(?:\.[^\s.*>]+)*$/.test(subject)) return subject;
  throw new WarpError(
    "INVALID_ARGUMENT",
    `subject must be words with dots between them, without blanks, * and >; got ${describeValue(subject)}`,
  );
};

/** A node's name as one word of a subject: letters, digits, `-` and `_`, and `%` with two hex digits for other bytes. */
export const wordOf = (node: NodeId): string => {
  // As nearly all are: this is part of every answer to one node.
  if (/^[A-Za-z0-9_-]+$/.test(node)) return node;
  let word = "";
  for (const byte of Buffer.from(node, "utf8")) {
    const character = String.fromCharCode(byte);
    word += /[A-Za-z0-9_-]/.test(character) ? character : `%${byte.toString(16).padStart(2, "0")}`;
  }
  // A word of a subject is never empty.
  return word === "" ? "%" : word;
};

/** A stream's name has no dots. */
export const streamNameOf = (subject: string): string => subject.replaceAll(".", "-");

/** Where everybody listens. */
export const broadcastSubject = (subject: string): string => `${subject}.all`;

/** Where one node listens. */
export const directSubject = (subject: string, node: NodeId): string => `${subject}.node.${wordOf(node)}`;

/** Whether it is one of those. */
export const isDirectSubject = (subject: string, candidate: string): boolean =>
  candidate.startsWith(`${subject}.node.`);

/** Where a stream delivers to one node. @param id Of the delivery: what comes from an earlier one must not be taken for it. */
export const deliverySubject = (subject: string, node: NodeId, id: string): string =>
  `${subject}.deliver.${wordOf(node)}.${id}`;
