import type { Node } from "./bootstrap.ts";
import { type City, cityKey } from "./data.ts";

const batchSize = 2_000;

/** Writes all cities to the store, a batch in each commit. @param onBatch Told how many have been written each time. */
export const load = async (
  loader: Node,
  cities: readonly City[],
  onBatch: (written: number) => void,
): Promise<void> => {
  for (let from = 0; from < cities.length; from += batchSize) {
    const batch = cities.slice(from, from + batchSize);
    await loader.setMany(batch.map((city) => [cityKey(city), city]));
    onBatch(batch.length);
  }
};
