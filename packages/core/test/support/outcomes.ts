import { afterAll, afterEach, beforeAll, expect } from "@jest/globals";
import { WarpError } from "../../src/index.ts";

/** How a promise ended so far, to be looked at without waiting for it. */
export class Watched<T> {
  state: "pending" | "resolved" | "rejected" = "pending";
  value: T | undefined;
  error: unknown;

  constructor(promise: Promise<T>) {
    promise.then(
      (value) => {
        this.state = "resolved";
        this.value = value;
      },
      (error: unknown) => {
        this.state = "rejected";
        this.error = error;
      },
    );
  }

  /** The code of the `WarpError` that it rejected with. */
  get code(): string | undefined {
    return WarpError.is(this.error) ? this.error.code : undefined;
  }
}

export const watch = <T>(promise: Promise<T>): Watched<T> => new Watched(promise);

/** What `promise` rejects with; fails the test if it resolves. */
export const failureOf = async (promise: Promise<unknown>): Promise<WarpError> => {
  const settled = await promise.then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  if (settled === undefined) throw new Error("expected a rejection");
  return settled.error as WarpError;
};

/** In each test file: a rejection that nobody handles fails the test during which it came (docs/pitfalls.md, 20). */
export const failOnUnhandledRejections = (): void => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => {
    unhandled.push(reason);
  };
  beforeAll(() => {
    process.on("unhandledRejection", note);
  });
  afterEach(async () => {
    await new Promise((resolve) => setImmediate(resolve));
    expect(unhandled.splice(0)).toEqual([]);
  });
  afterAll(() => {
    process.off("unhandledRejection", note);
  });
};
