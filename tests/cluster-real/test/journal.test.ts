import { describe, expect, it } from "@jest/globals";
import { Journal } from "../src/checks.ts";
import { loadedValue } from "../src/node-calls.ts";
import type { Ending, Operation } from "../src/protocol.ts";

const ended = (journal: Journal, operation: Operation, startedAt: number, endedAt: number, ending?: Ending): void => {
  journal.began(operation);
  journal.ended(operation, { id: 1, startedAt, endedAt, ending });
};
const set = (value: string): Operation => ({ kind: "set", key: "k", value });
const remove: Operation = { kind: "delete", key: "k" };

describe("the journal of a run", () => {
  it("accepts the last of two writes, and either of two that overlap", () => {
    const journal = new Journal();
    ended(journal, set("a"), 0, 10);
    ended(journal, set("b"), 20, 30);
    ended(journal, set("c"), 25, 40);
    expect(["b", "c"].map((value) => journal.wrong("k", value))).toEqual([undefined, undefined]);
    expect(journal.wrong("k", "a")).toContain("resurrected");
    expect(journal.wrong("k", null)).toContain("no delete can have taken it");
  });

  it("rejects what a delete took, and a load that began before it", () => {
    const journal = new Journal();
    ended(journal, set("a"), 0, 10);
    ended(journal, remove, 20, 30);
    expect(journal.wrong("k", null)).toBeUndefined();
    expect(journal.wrong("k", "a")).toContain("resurrected");
    expect(journal.wrong("k", loadedValue("x", 15))).toContain("resurrected");
    expect(journal.wrong("k", loadedValue("x", 21))).toBeUndefined();
  });

  it("leaves both open where nobody knows the outcome", () => {
    const journal = new Journal();
    ended(journal, set("a"), 0, 10);
    ended(journal, set("b"), 20, 30, "OUTCOME_UNKNOWN");
    journal.began(remove);
    journal.abandoned(remove);
    expect(["a", "b", null].map((value) => journal.wrong("k", value))).toEqual([undefined, undefined, undefined]);
  });

  it("rejects what was refused, what nobody wrote, and what belongs to another key", () => {
    const journal = new Journal();
    ended(journal, set("a"), 0, 10, "UNAVAILABLE");
    expect(journal.wrong("k", "a")).toContain("refused");
    expect(journal.wrong("k", "z")).toContain("nobody wrote");
    ended(journal, set("b"), 0, 10);
    expect(journal.wrong("other", "b")).toContain("nobody wrote");
  });

  it("tells the keys of one call apart by their own errors", () => {
    const journal = new Journal();
    const operation: Operation = {
      kind: "setMany",
      entries: [
        ["k", "a"],
        ["l", "b"],
      ],
    };
    journal.began(operation);
    journal.ended(operation, { id: 1, startedAt: 0, endedAt: 1, ending: "UNAVAILABLE", endings: { l: "UNAVAILABLE" } });
    expect(journal.wrong("k", "a")).toBeUndefined();
    expect(journal.wrong("l", "b")).toContain("refused");
  });

  it("bounds a sum by what resolved and what nobody knows", () => {
    const journal = new Journal();
    const add = (amount: number): Operation => ({ kind: "add", key: "count:1", amount });
    ended(journal, add(5), 0, 1);
    ended(journal, add(3), 0, 1, "OUTCOME_UNKNOWN");
    ended(journal, add(7), 0, 1, "UNAVAILABLE");
    const wrong = [4, 5, 8, 9].map((value) => journal.wrong("count:1", value));
    expect(wrong).toEqual([expect.any(String), undefined, undefined, expect.any(String)]);
  });

  it("reports what no fault explains, and what ended late", () => {
    const journal = new Journal();
    journal.ended(remove, { id: 1, startedAt: 0, endedAt: 9_000, ending: undefined, lateMs: 4_000 });
    journal.ended(remove, { id: 2, startedAt: 0, endedAt: 1, ending: "CORRUPT", unexpected: "CORRUPT: odd" });
    expect(journal.problems).toEqual([expect.stringContaining("4000 ms beyond"), expect.stringContaining("odd")]);
  });
});
