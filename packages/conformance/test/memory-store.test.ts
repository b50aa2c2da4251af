import { describe, expect, it } from "@jest/globals";
import { historyCases, storeCases } from "../src/index.ts";
import { openStore, openStoreOnSystemClock } from "./memory-subjects.ts";

describe("MemoryStore on a clock of the test's", () => {
  for (const { name, run } of [...storeCases(() => openStore()), ...historyCases(() => openStore())])
    it(name, async () => expect(await run()).toBe("checked"));
});

describe("MemoryStore on the machine's clock", () => {
  for (const { name, needs, run } of [
    ...storeCases(() => openStoreOnSystemClock()),
    ...historyCases(() => openStoreOnSystemClock()),
  ])
    it(name, async () => expect(await run()).toBe(needs === "setClockBack" ? "exempt" : "checked"));
});
