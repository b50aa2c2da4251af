import { readFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "@jest/globals";
import { describeWithOwn } from "@warp/tests-services";
import { services } from "@warp/tests-services/servers";
import { RedisCache } from "../src/index.ts";
import { drivers, uniquePrefix } from "./redis-clients.ts";

/** The commands that the README says a user needs. */
const commands = ["eval", "evalsha", "get", "mget", "getrange", "set", "pttl", "pexpire", "unlink", "time", "info"];

await describeWithOwn(services.redis, (server) => {
  const admin = (drivers[0] as (typeof drivers)[number]).single(server.url);
  afterAll(() => admin.disconnect());

  it("what the README says of rights is what these tests grant", () => {
    const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
    expect(readme.replaceAll("\n", " ")).toContain(commands.map((command) => `+${command}`).join(" "));
  });

  describe.each(drivers)("a user with few rights, by $name,", ({ single }) => {
    it.each([
      ["all that are needed", commands],
      ["all but +info", commands.filter((command) => command !== "info")],
    ])("has a tier that works, with %s", async (_, granted) => {
      const prefix = uniquePrefix();
      const rights = granted.map((command) => `+${command}`);
      await admin.call("ACL", "SETUSER", prefix, "on", ">secret", `~${prefix}:*`, ...rights);
      const client = single(server.url, { username: prefix, password: "secret", enableReadyCheck: false });
      const cache = new RedisCache(client, { prefix });
      const [slot] = await cache.read(["k"], 1_000);
      await cache.read(["k"], 60_000);
      const put = { key: "k", bytes: Buffer.from("x"), ttlMs: 60_000, token: slot?.token };
      expect(await cache.put([put])).toEqual([true]);
      expect((await cache.read(["k"], 1_000))[0]?.bytes).toEqual(Buffer.from("x"));
      await cache.drop(["k"]);
      expect(await cache.epoch({ expected: undefined, next: "e" })).toBe("e");
      const stranger = new RedisCache(client, { prefix: uniquePrefix() });
      await expect(stranger.read(["k"], 1_000)).rejects.toThrow("NOPERM");
      client.disconnect();
    });
  });
});
