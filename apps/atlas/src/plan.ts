import type { City } from "./data.ts";
import { Draw, WeightedDraw } from "./draw.ts";

/** One thing that a user of the atlas does. `node`: the index of the node that is asked. */
export type Operation =
  | { readonly kind: "read"; readonly node: number; readonly city: City }
  | { readonly kind: "read many"; readonly node: number; readonly cities: readonly City[] }
  | { readonly kind: "update"; readonly node: number; readonly city: City; readonly temperature: number }
  /** The city is looked at on every node at once. */
  | { readonly kind: "view"; readonly city: City }
  /** So many people leave one city for another, as far as there are so many. */
  | { readonly kind: "move"; readonly node: number; readonly from: City; readonly to: City; readonly people: number }
  | { readonly kind: "yesterday"; readonly node: number; readonly city: City };

export type Kind = Operation["kind"];

/** How many of a thousand operations are of each kind. */
const shares: readonly (readonly [Kind, number])[] = [
  ["read", 880],
  ["read many", 30],
  ["update", 30],
  ["view", 30],
  ["move", 20],
  ["yesterday", 10],
];

export const kinds: readonly Kind[] = shares.map(([kind]) => kind);

const citiesPerRead = 10;

const twoCities = (draw: Draw, cities: WeightedDraw<City>): readonly [City, City] => {
  const first = cities.one(draw);
  for (;;) {
    const second = cities.one(draw);
    if (second !== first) return [first, second];
  }
};

const operationOf = (kind: Kind, draw: Draw, cities: WeightedDraw<City>, nodes: number): Operation => {
  const node = draw.integer(0, nodes - 1);
  switch (kind) {
    case "read":
    case "yesterday":
      return { kind, node, city: cities.one(draw) };
    case "read many":
      return { kind, node, cities: Array.from({ length: citiesPerRead }, () => cities.one(draw)) };
    case "update":
      return { kind, node, city: cities.one(draw), temperature: draw.integer(-30, 45) };
    case "view":
      return { kind, city: cities.one(draw) };
    case "move": {
      const [from, to] = twoCities(draw, cities);
      return { kind, node, from, to, people: draw.integer(1, 1_000) };
    }
  }
};

/**
 * The workload, drawn before it runs: the same seed, the same operations. Cities are drawn by population.
 */
export const planOf = (seed: number, count: number, cities: readonly City[], nodes: number): readonly Operation[] => {
  const inhabited = cities.filter(({ population }) => population > 0);
  if (inhabited.length < 2) throw new RangeError("the workload needs two cities with inhabitants");
  const draw = new Draw(seed);
  const byPopulation = new WeightedDraw(inhabited, ({ population }) => population);
  const kinds = new WeightedDraw(shares, ([, share]) => share);
  return Array.from({ length: count }, () => operationOf(kinds.one(draw)[0], draw, byPopulation, nodes));
};
