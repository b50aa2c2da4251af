import { WarpError } from "@warp/core";

/**
 * SQLSTATE classes with which the server refuses a statement: it has rolled back, so nothing has changed. Not among
 * them are those that come with a lost connection (08, 57P01) and 40003, "statement completion unknown".
 */
const refusals = /^(?:2[1-9A-F]|28|3[0-9A-F]|40(?!003)|4[24]|5[345]|P0)[0-9A-Z]{3}$|^57014$|^57P03$/;

/** Failures to get a connection: nothing was sent. */
const unreached: ReadonlySet<unknown> = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
]);

const codeOf = (error: unknown): unknown =>
  typeof error === "object" && error !== null && "code" in error ? error.code : undefined;

/** Whether a failed commit certainly changed nothing. */
export const changedNothing = (error: unknown): boolean => {
  const code = codeOf(error);
  return unreached.has(code) || (typeof code === "string" && refusals.test(code));
};

const reasons: Readonly<Record<string, string>> = {
  "40001": "another transaction came in between",
  "40P01": "PostgreSQL ended a deadlock with it",
  "42P01": "its table is missing: has migrate() run?",
  "55P03": "it waited too long for a lock",
  "57014": "it took too long",
};

/** What a commit rejects with that certainly changed nothing, and so may be sent again. */
export const refusal = (cause: unknown): WarpError => {
  const reason = reasons[String(codeOf(cause))] ?? (cause instanceof Error ? cause.message : String(cause));
  return new WarpError("UNAVAILABLE", `PostgreSQL did not take the commit: ${reason}`, { port: "store", cause });
};
