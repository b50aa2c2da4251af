import { expect, it } from "@jest/globals";
import { type BusSubject, busCases } from "@warp/conformance";
import type { KafkaBusOptions } from "../src/index.ts";
import { busOn, kafkaAt, uniqueTopic } from "./open-bus.ts";

const open = (url: string, options: KafkaBusOptions): BusSubject => {
  const topic = uniqueTopic();
  const [port, other] = [busOn(kafkaAt(url), topic, options), busOn(kafkaAt(url), topic, options)];
  return {
    port,
    other,
    patienceMs: 20_000,
    close: async () => {
      await Promise.all([port.close(), other.close()]);
    },
  };
};

/** The contract of `Bus`, on the broker at `url`. Broken connections are in the tests of faults, with a server of their own. */
export const itIsABus = (url: string, options: KafkaBusOptions = {}): void => {
  for (const { name, needs, run } of busCases(() => open(url, options)))
    it(name, async () => expect(await run()).toBe(needs === "interrupt" ? "exempt" : "checked"));
};
