import { createHash } from "node:crypto";
import type { FastifyReply } from "fastify";

/**
 * Aborts when the client leaves before it has its answer. (Fastify's `request.signal` aborts as soon as a request's
 * body has been read.)
 */
export const signalOf = ({ raw }: FastifyReply): AbortSignal => {
  const controller = new AbortController();
  raw.once("close", () => {
    if (!raw.writableFinished) controller.abort();
  });
  return controller.signal;
};

/** An operation id: the same for the same key of a client, so that a repeated request takes effect once. */
export const operationOf = (idempotencyKey: string): string =>
  createHash("sha256").update(idempotencyKey).digest().subarray(0, 16).toString("base64url");
