import { describe, expect, it } from "@jest/globals";
import { FillGuard } from "../../src/mechanisms/fill-guard.ts";
import { Flight } from "../../src/mechanisms/single-flight.ts";

const flight = (): Flight<string, string> => {
  const owner = { generation: 0 } as never;
  return new Flight("k", owner, new FillGuard().take("k", owner), false, async () => "fetched");
};

describe("a load under way", () => {
  it("ends the signal of its loader when the last caller leaves", () => {
    const load = flight();
    load.enter();
    load.enter();
    const { signal } = load;
    load.leave();
    expect(signal.aborted).toBe(false);
    load.leave();
    expect(signal.aborted).toBe(true);
  });

  it("hands an ended signal, with its first reason, to a loader that begins after the end", () => {
    const load = flight();
    load.abort("closed");
    load.abort("later");
    expect(load.signal.aborted).toBe(true);
    expect(load.signal.reason).toBe("closed");
  });
});
