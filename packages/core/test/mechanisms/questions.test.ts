import { describe, expect, it } from "@jest/globals";
import { Questions } from "../../src/mechanisms/questions.ts";

describe("the questions of one turn", () => {
  const ask = async (count: number): Promise<readonly number[]> => {
    const sent: number[] = [];
    const questions = new Questions<undefined, string, string>(
      () => undefined,
      {
        ask: async (key) => {
          sent.push(1);
          return key;
        },
        askAll: async (keys) => {
          sent.push(keys.length);
          return keys;
        },
      },
      (_key, _begun, answer) => answer,
      () => undefined,
    );
    const keys = Array.from({ length: count }, (_, n) => `k${n}`);
    expect(await Promise.all(keys.map((key) => questions.ask(key)))).toEqual(keys);
    return sent;
  };

  it("go together, those of a crowd in two pieces at once", async () => {
    expect(await ask(63)).toEqual([63]);
    expect(await ask(100)).toEqual([50, 50]);
  });
});
