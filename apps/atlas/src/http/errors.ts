import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { type FailureCode, failureOf } from "../bootstrap.ts";

/** What an HTTP client is told of each failure of Warp. */
export const statusOf: Readonly<Record<FailureCode, number>> = {
  INVALID_ARGUMENT: 400,
  INVALID_VALUE: 400,
  NOT_FOUND: 404,
  CONFLICT: 409,
  CAS_MISMATCH: 409,
  LEASE_ENDED: 409,
  HISTORY_UNAVAILABLE: 410,
  // Nobody reads it: the client has left. The number is nginx's, for the log.
  ABORTED: 499,
  CORRUPT: 500,
  UNREGISTERED: 500,
  UNSUPPORTED: 501,
  // Not 503, which proxies and clients take for "repeat it".
  OUTCOME_UNKNOWN: 502,
  CLOSED: 503,
  OVERLOADED: 503,
  QUORUM_NOT_SATISFIED: 503,
  UNAVAILABLE: 503,
  DEADLINE_EXCEEDED: 504,
};

const explanations: Partial<Readonly<Record<FailureCode, string>>> = {
  OUTCOME_UNKNOWN:
    "the write may or may not have taken place, and may still do so; repeat it with the same Idempotency-Key, which counts once, or read before you repeat it",
};

/** The client may ask again after so many seconds. */
const retryAfterSeconds = 1;

/** A failure of this service's own. */
export class HttpError extends Error {
  override readonly name = "HttpError";
  readonly statusCode: number;
  readonly code: string;

  constructor(statusCode: number, code: string, message: string) {
    super(message);
    this.statusCode = statusCode;
    this.code = code;
  }
}

export const sendError = (error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
  const failure = failureOf(error);
  const status = failure === undefined ? (error.statusCode ?? 500) : statusOf[failure.code];
  if (status >= 500) request.log.error({ err: error }, "a request failed");
  else request.log.info({ code: error.code, reason: error.message }, "a request was refused");
  if (status === 503) reply.header("retry-after", retryAfterSeconds);
  reply.code(status);
  if (failure !== undefined) {
    const { code, message, key, port } = failure;
    return reply.send({ code, message, key, port, explanation: explanations[code] });
  }
  // What is nobody's doing but ours is for the log.
  if (status === 500) return reply.send({ code: "INTERNAL", message: "something is broken here; see the log" });
  // Fastify's own codes name its parts, which are no business of a client's.
  const code = error.code.startsWith("FST_") ? "INVALID_REQUEST" : error.code;
  return reply.send({ code, message: error.message });
};

export const sendNotFound = (request: FastifyRequest, reply: FastifyReply): FastifyReply =>
  reply.code(404).send({ code: "NO_ROUTE", message: `there is no ${request.method} ${request.url}` });
