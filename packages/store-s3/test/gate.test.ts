import { expect, it } from "@jest/globals";
import { Gate } from "../src/gate.ts";

it("no more than so many are let through at once, however many waited and took another's place", async () => {
  const gate = new Gate(2);
  const { signal } = new AbortController();
  const order: number[] = [];
  let underWay = 0;
  let most = 0;
  const work = (index: number) => async (): Promise<void> => {
    order.push(index);
    underWay += 1;
    most = Math.max(most, underWay);
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
    underWay -= 1;
  };
  await Promise.all(Array.from({ length: 20 }, (_, index) => gate.run(signal, work(index))));
  await Promise.all(Array.from({ length: 20 }, (_, index) => gate.run(signal, work(20 + index))));
  expect(most).toBe(2);
  expect(order).toEqual(Array.from({ length: 40 }, (_, index) => index));
});
