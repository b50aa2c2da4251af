import { describeValue, WarpError } from "@warp/core";

/** `INVALID_VALUE`: a value that the strategy `engine` cannot merge. `what` says which value, or which part of it. */
export const invalidValue = (engine: string, what: string, expected: string, got: unknown): WarpError =>
  new WarpError("INVALID_VALUE", `${engine}: ${what} must be ${expected}; got ${describeValue(got)}`, {
    port: "merge",
  });

/** `INVALID_ARGUMENT`: an option or argument named `what` that cannot be meant. */
export const invalidArgument = (what: string, expected: string, got: unknown): WarpError =>
  new WarpError("INVALID_ARGUMENT", `${what} must be ${expected}; got ${describeValue(got)}`, { port: "merge" });

/** `INVALID_VALUE` in words of one's own. */
export const refusal = (message: string, options: ErrorOptions = {}): WarpError =>
  new WarpError("INVALID_VALUE", message, { port: "merge", ...options });
