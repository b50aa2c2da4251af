import { expect, it } from "@jest/globals";
import { WarpError } from "../src/errors.ts";

it("an error of another copy of the package is recognised by its brand", () => {
  const foreign = Object.assign(new Error("elsewhere"), { [Symbol.for("@warp/core/WarpError")]: true });
  expect(WarpError.is(foreign)).toBe(true);
  expect(WarpError.is(new Error("other"))).toBe(false);
});

it("the cause of a failure is kept", () => {
  const cause = new Error("socket closed");
  expect(new WarpError("UNAVAILABLE", "the store does not answer", { cause }).cause).toBe(cause);
});
