import { describe, expect, it } from "@jest/globals";
import { optionsOf } from "../src/options.ts";

describe("the options", () => {
  it("have defaults", () => {
    expect(optionsOf([])).toEqual({ seed: 1, operations: 30_000, cities: undefined, folder: undefined });
  });

  it("are read", () => {
    const args = ["--seed", "7", "--operations", "5000", "--cities=2000", "--folder", "/tmp/x"];
    expect(optionsOf(args)).toEqual({ seed: 7, operations: 5_000, cities: 2_000, folder: "/tmp/x" });
    expect(optionsOf(["--help"])).toBe("help");
  });

  it.each([
    [["--operations", "10"], "--operations takes a whole number of at least 500"],
    [["--cities", "many"], "--cities takes a whole number"],
    [["--seed", "-1"], ""],
    [["--sed", "1"], "--sed"],
  ])("%j is refused", (args, message) => {
    expect(() => optionsOf(args)).toThrow(message);
  });
});
