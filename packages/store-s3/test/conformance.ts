import { afterAll, describe, expect, it } from "@jest/globals";
import type { ConformanceCase, HistorySubject } from "@warp/conformance";
import { describeWith } from "@warp/tests-services";
import { ServerClock } from "../src/index.ts";
import { StoreBench, uniquePrefix } from "./open-store.ts";

const register = (cases: readonly ConformanceCase[], without: readonly string[]): void => {
  for (const { name, needs, run } of cases)
    it(name, async () => {
      expect(await run()).toBe(needs !== undefined && without.includes(needs) ? "exempt" : "checked");
    }, 60_000);
};

/** Registers the cases of one port against a gateway of the file's own. */
export const describeConformance = (
  port: string,
  casesOf: (open: () => HistorySubject) => readonly ConformanceCase[],
): Promise<void> =>
  describeWith("s3", (url) => {
    const bench = new StoreBench(url);
    const [client, otherClient] = [bench.client(), bench.client()];
    afterAll(() => bench.close());

    describe(`${port}, by the server's clock`, () => {
      // Each alone would know it to some milliseconds, as two processes do; the cases ask for one.
      const clock = new ServerClock();
      const open = (): HistorySubject => {
        const options = { prefix: uniquePrefix(), clock };
        return { port: bench.store(options, client), other: bench.store(options, otherClient) };
      };
      register(casesOf(open), ["setClockBack"]);
    });

    describe(`${port}, by a clock that is set back`, () => {
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
      register(
        casesOf(open).filter(({ needs }) => needs === "setClockBack"),
        [],
      );
    });
  });
