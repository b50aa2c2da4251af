import { WarpError } from "@warp/core";

/**
 * SQLSTATE classes with which the server refuses a statement: it has rolled back, so nothing has changed. Not among
 * them are those that come with a lost connection (08, 57P01) and 40003, "statement completion unknown".
 */
const refusals = /^(?:0A|2[1-9A-F]|3[0-9A-F]|40(?!003)|4[24]|5[345]|P0)[0-9A-Z]{3}$|^57014$/;

const codeOf = (error: unknown): unknown =>
  typeof error === "object" && error !== null && "code" in error ? error.code : undefined;

/** Whether the server answered a statement with a plain no: it changed nothing, and the connection is whole. */
export const isRefusal = (error: unknown): boolean => {
  const code = codeOf(error);
  return typeof code === "string" && refusals.test(code);
};

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

const reasons: Readonly<Record<string, string>> = {
  "40001": "another transaction came in between",
  "40P01": "PostgreSQL ended a deadlock with it",
  "42P01": "its table is missing: has migrate() run?",
  "55P03": "it waited too long for a lock",
  "57014": "it took too long",
};

/** What a commit rejects with that certainly changed nothing, and so may be sent again. */
export const refusal = (cause: unknown): WarpError => {
  const reason = reasons[String(codeOf(cause))] ?? messageOf(cause);
  return new WarpError("UNAVAILABLE", `PostgreSQL did not take the commit: ${reason}`, { port: "store", cause });
};

/** What everything rejects with that could not even be sent. */
export const noConnection = (cause: unknown): WarpError =>
  new WarpError("UNAVAILABLE", `no connection to PostgreSQL: ${messageOf(cause)}`, { port: "store", cause });
