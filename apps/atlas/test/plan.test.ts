import { describe, expect, it } from "@jest/globals";
import { type City, largestByCountry } from "../src/data.ts";
import { Draw, WeightedDraw } from "../src/draw.ts";
import { kinds, planOf } from "../src/plan.ts";
import { madeCities } from "./made-cities.ts";

describe("the cities", () => {
  it("can be had by country, the largest first", () => {
    const groups = largestByCountry(madeCities(9), 2);
    expect([...groups].map(([country, cities]) => [country, cities.map(({ population }) => population)])).toEqual([
      ["AA", [8, 6]],
      ["BB", [7, 5]],
    ]);
  });
});

describe("a weighted draw", () => {
  it("draws in proportion to the weights, and never what has none", () => {
    const draw = new Draw(1);
    const items = new WeightedDraw(["none", "one", "three"], (item) => ({ none: 0, one: 1, three: 3 })[item] ?? 0);
    const counts = new Map<string, number>();
    for (let count = 0; count < 10_000; count++) {
      const item = items.one(draw);
      counts.set(item, (counts.get(item) ?? 0) + 1);
    }
    expect(counts.get("none")).toBeUndefined();
    expect((counts.get("three") as number) / (counts.get("one") as number)).toBeCloseTo(3, 0);
  });

  it("refuses weights that add up to nothing", () => {
    expect(() => new WeightedDraw(["a"], () => 0)).toThrow(RangeError);
  });
});

describe("the plan", () => {
  const cities = madeCities(2_000);

  it("is the same for the same seed, and another for another", () => {
    expect(planOf(7, 500, cities, 3)).toEqual(planOf(7, 500, cities, 3));
    expect(planOf(7, 500, cities, 3)).not.toEqual(planOf(8, 500, cities, 3));
  });

  it("has every kind of operation, on every node", () => {
    const plan = planOf(1, 5_000, cities, 3);
    expect(new Set(plan.map(({ kind }) => kind))).toEqual(new Set(kinds));
    expect(new Set(plan.map((operation) => ("node" in operation ? operation.node : 0)))).toEqual(new Set([0, 1, 2]));
  });

  it("moves people between two cities, never within one", () => {
    const moves = planOf(1, 20_000, cities, 3).filter((operation) => operation.kind === "move");
    expect(moves.length).toBeGreaterThan(100);
    expect(moves.filter(({ from, to }) => from === to)).toEqual([]);
  });

  it("reads large cities more often than small ones", () => {
    const reads = planOf(1, 20_000, cities, 3).filter((operation) => operation.kind === "read");
    const large = new Set([...cities].sort((a, b) => b.population - a.population).slice(0, 200));
    const share = reads.filter(({ city }) => large.has(city)).length / reads.length;
    const inhabitants = (some: Iterable<City>) => [...some].reduce((sum, { population }) => sum + population, 0);
    expect(share).toBeCloseTo(inhabitants(large) / inhabitants(cities), 1);
  });
});
