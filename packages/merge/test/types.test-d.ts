import type { MergeEngine } from "@warp/core";
import { custom, lastWriteWins, lastWriteWinsBy, mergeFields, sum, union, vectorClocks } from "../src/index.ts";

interface City {
  readonly views: number;
  readonly name?: string;
  readonly tags: readonly string[];
}

export const typed: MergeEngine<City> = mergeFields<City>({ views: sum(), name: lastWriteWins(), tags: union() });
export const inferred: MergeEngine<{ views: number; tags: string[] }> = mergeFields({
  views: sum(),
  tags: union<string>(),
});

// @ts-expect-error a field without an engine
mergeFields<City>({ views: sum(), tags: union() });
// @ts-expect-error an engine of another type of value
mergeFields<City>({ views: union(), name: lastWriteWins(), tags: union() });
// @ts-expect-error a field that the value does not have
mergeFields<City>({ views: sum(), name: lastWriteWins(), tags: union(), other: sum() });
// @ts-expect-error a timestamp is a number
lastWriteWinsBy((city: City) => city.name);
// @ts-expect-error merging is synchronous
custom<City>(async (_current, incoming) => incoming);
// @ts-expect-error what is merged are versions, not values
vectorClocks<string>().merge(undefined, "value");
