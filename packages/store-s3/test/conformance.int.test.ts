import { afterAll, describe, expect, it } from "@jest/globals";
import { type ConformanceCase, type HistorySubject, historyCases, storeCases } from "@warp/conformance";
import { describeWith } from "@warp/tests-services";
import { ServerClock } from "../src/index.ts";
import { StoreBench, uniquePrefix } from "./open-store.ts";

const register = (cases: readonly ConformanceCase[], without: readonly string[]): void => {
  for (const { name, needs, run } of cases)
    it(name, async () => {
      expect(await run()).toBe(needs !== undefined && without.includes(needs) ? "exempt" : "checked");
    }, 60_000);
};

await describeWith("s3", (url) => {
  const bench = new StoreBench(url);
  const [client, otherClient] = [bench.client(), bench.client()];
  afterAll(() => bench.close());

  describe("by the server's clock", () => {
    // Each alone would know it to some milliseconds, as two processes do; the cases ask for one.
    const clock = new ServerClock();
    const open = (): HistorySubject => {
      const options = { prefix: uniquePrefix(), clock };
      return { port: bench.store(options, client), other: bench.store(options, otherClient) };
    };
    describe("Store", () => register(storeCases(open), ["setClockBack"]));
    describe("History", () => register(historyCases(open), ["setClockBack"]));
  });

  describe("by a clock that is set back", () => {
    const open = (): HistorySubject => {
      let now = Date.UTC(2026, 6, 1);
      const options = { prefix: uniquePrefix(), clock: { now: () => now } };
      return {
        port: bench.store(options, client),
        other: bench.store(options, otherClient),
        advance: (ms) => {
          now += ms;
        },
        setClockBack: (ms) => {
          now -= ms;
        },
      };
    };
    const ofClock = ({ needs }: ConformanceCase): boolean => needs === "setClockBack";
    describe("Store", () => register(storeCases(open).filter(ofClock), []));
    describe("History", () => register(historyCases(open).filter(ofClock), []));
  });
});
