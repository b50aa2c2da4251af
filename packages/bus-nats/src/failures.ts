import { WarpError, type WarpErrorCode } from "@warp/core";

/** Errors of another realm are no `instanceof Error`. */
export const messageOf = (cause: unknown): string =>
  typeof cause === "object" && cause !== null && "message" in cause ? String(cause.message) : String(cause);

export const busError = (code: WarpErrorCode, message: string, operation: string, cause?: unknown): WarpError =>
  new WarpError(code, message, { port: "bus", operation, ...(cause === undefined ? {} : { cause }) });

/** What a call rejects with that NATS did not answer with a plain yes. */
export const unavailable = (operation: string, cause: unknown): WarpError =>
  WarpError.is(cause) ? cause : busError("UNAVAILABLE", `NATS: ${messageOf(cause)}`, operation, cause);
