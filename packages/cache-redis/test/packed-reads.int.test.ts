import { afterAll, describe, expect, it } from "@jest/globals";
import { describeWithOwn } from "@warp/tests-services";
import { services } from "@warp/tests-services/servers";
import { RedisCache } from "../src/index.ts";
import { headLength } from "../src/script.ts";
import { drivers, uniquePrefix } from "./redis-clients.ts";

const ofLength = (length: number): Buffer => Buffer.alloc(length, `${length},`);

// Lengths at which MessagePack changes how it writes one, counts at which it does so for arrays, and the script's own limit.
const reads: readonly (readonly [what: string, lengths: readonly number[]])[] = [
  ["one value, of no bytes", [0]],
  ["slots of 255, 256 and 257 bytes", [255, 256, 257].map((length) => length - headLength)],
  ["a slot of 65 535 bytes", [65_535 - headLength]],
  ["a slot of 65 536 bytes, the most that is packed", [65_536 - headLength]],
  ["a slot of 65 537 bytes, which is not", [65_537 - headLength]],
  ["15 slots", Array.from({ length: 14 }, (_, n) => n)],
  ["16 slots", Array.from({ length: 15 }, (_, n) => n)],
  ["400 values, more than is packed", Array.from({ length: 400 }, (_, n) => n)],
];

await describeWithOwn(services.redis, (server) => {
  describe.each(drivers)("by $name,", ({ single }) => {
    const client = single(server.url);
    afterAll(() => client.disconnect());

    it.each(reads)("give back %s", async (_, lengths) => {
      const cache = new RedisCache(client, { prefix: uniquePrefix() });
      const values = lengths.map(ofLength);
      await cache.put(
        values.map((bytes, n) => ({
          key: `k${n}`,
          bytes,
          ttlMs: n % 2 === 0 ? 60_000 : Number.POSITIVE_INFINITY,
          token: undefined,
        })),
      );
      const keys = values.map((_value, n) => `k${n}`);
      const slots = await cache.read([...keys, "none"], 60_000);
      const bytes = slots.map((slot) => slot.bytes && Buffer.from(slot.bytes));
      expect(bytes).toEqual([...values, undefined]);
      // Each token is that of its own slot.
      const again = slots.map(({ token }, n) => ({
        ...{ key: keys[n] ?? "none", bytes: ofLength(1), ttlMs: 60_000, token },
      }));
      expect(await cache.put(again)).toEqual(again.map(() => true));
    });
  });
});
