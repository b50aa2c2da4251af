import type { Atlas } from "./bootstrap.ts";
import { type City, cityKey } from "./data.ts";

/** Writes all cities to the store, a batch in each call. @param onBatch Told how many have been written each time. */
export const load = async (
  { loader, keysPerCall }: Pick<Atlas, "loader" | "keysPerCall">,
  cities: readonly City[],
  onBatch: (written: number) => void,
): Promise<void> => {
  for (let from = 0; from < cities.length; from += keysPerCall) {
    const batch = cities.slice(from, from + keysPerCall);
    await loader.setMany(batch.map((city) => [cityKey(city), city]));
    onBatch(batch.length);
  }
};
