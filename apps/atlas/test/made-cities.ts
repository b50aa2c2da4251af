import type { City } from "../src/data.ts";

/** So many cities, each with one inhabitant more than the one before; the first has none. */
export const madeCities = (count: number): readonly City[] =>
  Array.from({ length: count }, (_, index) => ({
    cityId: index + 1,
    name: `City ${index + 1}`,
    altName: "",
    country: index % 2 === 0 ? "AA" : "BB",
    adminCode: "01",
    featureCode: "PPL",
    population: index,
    loc: { type: "Point", coordinates: [0, 0] },
  }));
