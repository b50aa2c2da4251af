import { WarpError } from "@warp/core";

/**
 * SQLSTATE classes (manual, appendix A) with which the server refuses a statement: it has rolled back, so nothing has
 * changed. Not among them are those that come with a lost connection (08, and of 57 all but 57014), 40003 "statement
 * completion unknown", and what a pooler in between may say of a server it lost (58, XX).
 */
const refusals = /^(?:0[9ABFLPZ]|2[0-9A-F]|3[0-9A-F]|40(?!003)|4[24]|5[345]|72|P0)[0-9A-Z]{3}$|^57014$/;

const codeOf = (error: unknown): unknown =>
  typeof error === "object" && error !== null && "code" in error ? error.code : undefined;

/** Whether the server answered a statement with a plain no: it changed nothing. */
export const isRefusal = (error: unknown): boolean => {
  const code = codeOf(error);
  return typeof code === "string" && refusals.test(code);
};

/** Whether this server takes no writes (any more): after a failover the next connection may lead to one that does. */
export const isReadOnly = (error: unknown): boolean => codeOf(error) === "25006";

/** Whether a connection can be used again after `error`. Not after one that ended it. */
export const leavesUsable = (error: unknown): boolean =>
  isRefusal(error) && !isReadOnly(error) && (error as { readonly severity?: unknown }).severity !== "FATAL";

const passing: ReadonlySet<unknown> = new Set(["40001", "40P01"]);

/** Whether a refused commit met another transaction by bad luck, and may be sent again at once. */
export const isPassing = (error: unknown): boolean =>
  WarpError.has(error, "UNAVAILABLE") && passing.has(codeOf(error.cause));

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

const reasons: Readonly<Record<string, string>> = {
  "25006": "this server takes no writes: is it a standby?",
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

/** What a commit rejects with that had waited so long for a connection that nobody waits for it any more. */
export const notSent = (): WarpError =>
  new WarpError("UNAVAILABLE", "no connection to PostgreSQL was free in time: the commit was not sent", {
    port: "store",
  });
