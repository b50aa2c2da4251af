import { expect, it } from "@jest/globals";
import { isMet } from "../src/question.ts";
import { table, targetTable, withResults } from "../src/report.ts";
import { interleave, median } from "../src/statistics.ts";

it("the median of an even number of values is the mean of the middle two", () => {
  expect(median([5, 1, 3])).toBe(3);
  expect(median([4, 1, 3, 100])).toBe(3.5);
});

it("rounds are interleaved, each beginning with another contestant, and ratios are taken round by round", async () => {
  const order: string[] = [];
  const contestant = (name: string, cost: (round: number) => number) => {
    let round = 0;
    return {
      name,
      round: async () => {
        order.push(name);
        return cost(round++);
      },
    };
  };
  // The machine gets ten times slower after some rounds: the ratio does not notice.
  const slower = (round: number): number => (round > 3 ? 10 : 1);
  const result = await interleave([contestant("floor", slower), contestant("twice", (r) => 2 * slower(r))], "floor", 3);
  expect(order.slice(0, 4)).toEqual(["floor", "twice", "twice", "floor"]);
  expect(result.get("twice")?.ratio).toBe(2);
  expect(result.get("floor")?.ratio).toBe(1);
});

it("a target says whether it was met, on either side", () => {
  const target = { what: "x", value: 1.2, limit: 1.2 };
  expect(isMet({ ...target, bound: "at most" })).toBe(true);
  expect(isMet({ ...target, value: 1.21, bound: "at most" })).toBe(false);
  expect(isMet({ ...target, value: 1.1, bound: "at least" })).toBe(false);
  expect(isMet({ ...target, value: Number.NaN, bound: "at most" })).toBe(false);
  expect(targetTable([{ ...target, value: 2, bound: "at most" }])).toContain("| MISSED |");
});

it("a table is markdown with three digits to a number", () => {
  expect(
    table(
      ["", "ns"],
      [
        ["Warp", 81.234],
        ["a peer", 12_345.6],
      ],
    ),
  ).toBe(["|        |     ns |", "| ------ | -----: |", "| Warp   |   81.2 |", "| a peer | 12 346 |"].join("\n"));
});

it("results replace those that stood between the marks, and nothing else", () => {
  const text = "before\n<!-- results -->\nold\n<!-- end of results -->\nafter";
  expect(withResults(text, "new")).toBe("before\n<!-- results -->\n\nnew\n<!-- end of results -->\nafter");
  expect(() => withResults("no marks", "new")).toThrow("missing");
});
