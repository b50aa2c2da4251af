import { describe, expect, it } from "@jest/globals";
import { ConfigurationError, configOf } from "../src/config.ts";

const problemsOf = (environment: Readonly<Record<string, string>>): readonly string[] => {
  try {
    configOf(environment);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems;
    throw error;
  }
  return [];
};

describe("the configuration", () => {
  it("of an empty environment needs no server", () => {
    expect(configOf({ CACHE: "", PORT: "" })).toMatchObject({
      platform: {
        cluster: "atlas",
        cache: { kind: "memory" },
        store: { kind: "pglite", folder: undefined },
        bus: { kind: "memory" },
      },
      host: "127.0.0.1",
      port: 3_000,
      cacheEntries: 10_000,
      shutdownMs: 10_000,
    });
  });

  it("names servers", () => {
    const { platform, warnings } = configOf({
      CACHE: "memory+redis",
      REDIS_URL: "redis://cache:6379/1",
      STORE: "s3",
      S3_BUCKET: "atlas",
      S3_ENDPOINT: "http://127.0.0.1:7480",
      S3_ACCESS_KEY_ID: "id",
      S3_SECRET_ACCESS_KEY: "key",
      BUS: "kafka",
      KAFKA_BROKERS: "a:9092, b:9092",
    });
    expect(platform).toEqual({
      cluster: "atlas",
      cache: { kind: "memory+redis", url: "redis://cache:6379/1" },
      store: {
        kind: "s3",
        s3: {
          bucket: "atlas",
          endpoint: "http://127.0.0.1:7480",
          region: "us-east-1",
          credentials: { accessKeyId: "id", secretAccessKey: "key" },
        },
      },
      bus: { kind: "kafka", brokers: ["a:9092", "b:9092"] },
    });
    expect(warnings).toEqual([]);
  });

  it("tells everything that is wrong at once: the variable, what it holds and what is accepted", () => {
    expect(problemsOf({ CACHE: "disk", PORT: "70000", BUS: "nats", STORE: "pg", S3_ACCESS_KEY_ID: "id" })).toEqual([
      'CACHE is "disk"; accepted: memory | redis | memory+redis',
      'PORT is "70000"; accepted: a whole number from 0 to 65535',
      "DATABASE_URL is not set, and STORE=pg needs it; accepted: a URL that begins with postgres:// or postgresql://",
      "NATS_URL is not set, and BUS=nats needs it; accepted: nats://host:port or tls://host:port; several are separated by commas",
      "S3_SECRET_ACCESS_KEY is not set, and S3_ACCESS_KEY_ID is; accepted: both, or neither",
    ]);
  });

  it.each([
    ["CACHE", "Memory"],
    ["STORE", "postgres"],
    ["BUS", "redis"],
    ["CLUSTER", "Atlas-1"],
    ["REDIS_URL", "cache:6379"],
    ["DATABASE_URL", "mysql://localhost/app"],
    ["S3_BUCKET", "My Bucket"],
    ["S3_ENDPOINT", "127.0.0.1:7480"],
    ["S3_REGION", "eu west"],
    ["NATS_URL", "nats://a,b"],
    ["KAFKA_BROKERS", "broker"],
    ["HOST", "a b"],
    ["PORT", "-1"],
    ["NODE_NAME", "käse"],
    ["CACHE_ENTRIES", "0"],
    ["LOG_LEVEL", "loud"],
    ["SHUTDOWN_MS", "10s"],
  ])("refuses %s=%s", (name, value) => {
    expect(problemsOf({ [name]: value })).toEqual([
      expect.stringContaining(`${name} is ${JSON.stringify(value)}; accepted: `),
    ]);
  });

  it("shows no password and no secret", () => {
    const problems = problemsOf({
      REDIS_URL: "redis//user:pass/w@rd@cache",
      NATS_URL: "nat://user:password@a",
      CLUSTER_SECRET: "short",
    }).join();
    expect(problems).not.toMatch(/user|pass|w@rd|short/);
    expect(problems).toContain("CLUSTER_SECRET is (not shown); accepted: at least 16 characters");
  });

  it.each([
    [{}, ["PGLITE_FOLDER is not set"]],
    [{ PGLITE_FOLDER: "/tmp/x" }, []],
    [{ PGLITE_FOLDER: "/tmp/x", BUS: "nats", NATS_URL: "nats://a:4222" }, ["STORE=pglite is a database in this very"]],
    [{ PGLITE_FOLDER: "/tmp/x", CACHE: "redis", REDIS_URL: "redis://a" }, ["STORE=pglite is a database in this very"]],
    [{ STORE: "pg", DATABASE_URL: "postgres://a/b" }, ["BUS=memory ends at this process"]],
    [{ STORE: "pg", DATABASE_URL: "postgres://a/b", BUS: "nats", NATS_URL: "nats://a:4222" }, []],
  ])("%j: warns %j", (environment, beginnings) => {
    expect(configOf(environment).warnings).toEqual(beginnings.map((beginning) => expect.stringContaining(beginning)));
  });
});
