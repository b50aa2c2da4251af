import { afterAll, describe, expect, it } from "@jest/globals";
import { type SharedCacheSubject, sharedCacheCases } from "@warp/conformance";
import { describeWith } from "@warp/tests-services";
import { RedisCache, type RedisCacheOptions } from "../src/index.ts";
import { drivers, type TestClient, uniquePrefix } from "./redis-clients.ts";

/** Two instances on slots that nobody has used yet. */
const subjectOn = (client: TestClient, other: TestClient, options: RedisCacheOptions): SharedCacheSubject => {
  const prefix = uniquePrefix();
  return {
    port: new RedisCache(client, { prefix, ...options }),
    other: new RedisCache(other, { prefix }),
    forget: async (key) => {
      await client.unlink(`${prefix}:s1:${key}`);
    },
    rollBack: () => client.disconnect(true),
  };
};

const registerAll = (
  connect: (driver: (typeof drivers)[number]) => TestClient,
  options: RedisCacheOptions = {},
): void => {
  for (const driver of drivers)
    describe(driver.name, () => {
      const [client, other] = [connect(driver), connect(driver)];
      afterAll(() => {
        client.disconnect();
        other.disconnect();
      });
      for (const { name, run } of sharedCacheCases(() => subjectOn(client, other, options)))
        it(name, async () => expect(await run()).toBe("checked"));
    });
};

await describeWith("redis", (url) => {
  describe("with all defaults", () => registerAll((driver) => driver.single(url)));
  describe("with compression, automatic pipelines and a prefix of the client's", () =>
    registerAll((driver) => driver.single(url, { enableAutoPipelining: true, keyPrefix: "app{1}:" }), {
      compress: { aboveBytes: 0 },
    }));
});

await describeWith("redis-cluster", (url) => {
  describe("with all defaults", () => registerAll((driver) => driver.cluster(url)));
  describe("with automatic pipelines and a prefix of the client's", () =>
    registerAll((driver) =>
      driver.cluster(url, { enableAutoPipelining: true, keyPrefix: "app:", scaleReads: "slave" }),
    ));
});

await describeWith("redis-sentinel", (url) => {
  registerAll((driver) => driver.sentinel(url));
});
