import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, jest } from "@jest/globals";
import { add, compile, compilers, evaluate, install, installed, lock, resolutions } from "../src/consumer.ts";
import { run } from "../src/run.ts";
import { pack, publicNames, type Tarball } from "../src/tarball.ts";

jest.setTimeout(180_000);

const names = publicNames();
const work = mkdtempSync(join(tmpdir(), "warp-consumers-"));
let tarballs: Map<string, Tarball>;
const paths = (of: readonly string[]): string[] => of.map((name) => tarballs.get(name)!.path);

beforeAll(async () => {
  tarballs = await pack(names, work);
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

const clients = ["ioredis", "pg", "nats", "@nats-io/transport-node", "kafkajs", "@aws-sdk/client-s3", "prom-client"];
const composed = `
import { Redis } from "ioredis";
import pg from "pg";
import { RedisCache } from "@warp/cache-redis";
import { Warp } from "@warp/core";
import { fromPool, PgStore } from "@warp/store-pg";
const redis = new Redis({ lazyConnect: true });
const pool = new pg.Pool();
`;
const composedCode = `${composed}
const warp = new Warp({ sharedCache: new RedisCache(redis), store: new PgStore(fromPool(pool)) });
warp.register("city:*", { mode: "eventual-distributed", ttl: "10m" });
`;
const composedTypes = `${composed}
import { connect } from "nats";
import { NatsBus } from "@warp/bus-nats";
const connection = await connect();
export const warp = new Warp<{ [key: \`city:\${string}\`]: { name: string } }>({
  sharedCache: new RedisCache(redis),
  store: new PgStore(fromPool(pool)),
  bus: new NatsBus(connection),
});
warp.register("city:*", { mode: "eventual-distributed", ttl: "10m" });
const city: { name: string } = await warp.get("city:1");
// @ts-expect-error no such key
await warp.get("town:1");
console.log(city.name);
`;

it("@warp/core alone brings no other package along", async () => {
  const project = join(work, "core-only");
  await install(project, paths(["@warp/core"]));
  expect(installed(project)).toEqual(["@warp/core"]);
});

describe("a service with Redis, PostgreSQL and NATS", () => {
  const project = join(work, "redis-pg-nats");
  const packages = ["@warp/core", "@warp/cache-redis", "@warp/store-pg", "@warp/bus-nats"];
  beforeAll(() => install(project, [...paths(packages), "ioredis", "pg", "nats", "@types/pg", "@types/node@20"]));

  it("has the client libraries it asked for and no others", () => {
    const there = installed(project);
    expect(there).toEqual(expect.arrayContaining([...packages, "ioredis", "pg", "nats"]));
    expect(there.filter((name) => name.startsWith("@warp/")).sort()).toEqual([...packages].sort());
    const others = there.filter((name) => clients.includes(name) && !["ioredis", "pg", "nats"].includes(name));
    expect([...others, ...there.filter((name) => name.startsWith("@electric-sql/"))]).toEqual([]);
  });

  it("composes its node, and can end it", async () => {
    const rest = "await warp.close(); redis.disconnect(); await pool.end(); console.log('ended');";
    expect(await evaluate(project, "module", `${composedCode}${rest}`)).toContain("ended");
  });

  it("requires its packages from CommonJS", async () => {
    const script = `for (const name of ${JSON.stringify(packages)}) require(name);`;
    await evaluate(project, "commonjs", script);
  });

  describe.each(compilers)("under TypeScript %s", (compiler) => {
    it.each(resolutions)("compiles its bootstrap, keys and values checked, as %s", async (module) => {
      // The clients' own declarations are not ours to check.
      await compile(project, composedTypes, module, compiler, true);
    });
  });

  it("is told what to upgrade where an adapter speaks another version of its port", async () => {
    const copy = join(work, "mismatch");
    cpSync(project, copy, { recursive: true });
    const dist = join(copy, "node_modules/@warp/cache-redis/dist");
    let edits = 0;
    for (const name of readdirSync(dist).filter((file) => file.endsWith(".js"))) {
      const before = readFileSync(join(dist, name), "utf8");
      const after = before.replaceAll("portVersion = 1;", "portVersion = 2;");
      if (after === before) continue;
      writeFileSync(join(dist, name), after);
      edits += 1;
    }
    expect(edits).toBe(1);
    const script = composedCode.replace(
      /const warp = (.*)\n.*\n/,
      "try { $1 } catch (e) { console.log(e.code, e.message); }",
    );
    const printed = await evaluate(copy, "module", `${script}; redis.disconnect();`);
    expect(printed).toMatch(
      /^UNSUPPORTED sharedCache speaks version 2 .* version 1: upgrade .*@warp\/cache-redis.* or @warp\/core/,
    );
  });

  it("upgrades one adapter and leaves every other package as it was", async () => {
    const next = join(work, "next");
    cpSync(join(project, "node_modules/@warp/cache-redis"), next, { recursive: true });
    const manifest = JSON.parse(readFileSync(join(next, "package.json"), "utf8"));
    const version = `${manifest.version}-next.1`;
    writeFileSync(join(next, "package.json"), JSON.stringify({ ...manifest, version }));
    const [tarball = ""] = (await run(next, "npm", ["pack", "--silent"])).trim().split("\n");
    const before = lock(project);
    await add(project, [join(next, tarball)]);
    const after = lock(project);
    const moved = Object.keys({ ...before, ...after }).filter(
      (name) => name !== "" && JSON.stringify(before[name]) !== JSON.stringify(after[name]),
    );
    expect(moved).toEqual(["node_modules/@warp/cache-redis"]);
    expect(after["node_modules/@warp/cache-redis"]).toMatchObject({ version });
  });
});

describe("a service with S3 and Kafka", () => {
  const project = join(work, "s3-kafka");
  const packages = ["@warp/core", "@warp/store-s3", "@warp/bus-kafka"];
  beforeAll(() => install(project, [...paths(packages), "@aws-sdk/client-s3", "kafkajs"]));

  it("has the client libraries it asked for and no others", () => {
    const there = installed(project);
    expect(there.filter((name) => name.startsWith("@warp/")).sort()).toEqual([...packages].sort());
    expect(there.filter((name) => clients.includes(name)).sort()).toEqual(["@aws-sdk/client-s3", "kafkajs"]);
  });

  it("imports and requires its packages", async () => {
    await evaluate(project, "module", packages.map((name) => `await import("${name}");`).join("\n"));
    await evaluate(project, "commonjs", packages.map((name) => `require("${name}");`).join("\n"));
  });
});

describe("a project that installed every tarball", () => {
  const project = join(work, "every");
  // Type declarations of Node are the consumer's own; the other peers come with the tarballs.
  beforeAll(() => install(project, [...paths(names), "@types/node@20"]));

  it("can import each package", async () => {
    await evaluate(project, "module", names.map((name) => `await import(${JSON.stringify(name)});`).join("\n"));
  });

  it("can require each package", async () => {
    await evaluate(project, "commonjs", names.map((name) => `require(${JSON.stringify(name)});`).join("\n"));
  });

  describe.each(compilers)("under TypeScript %s", (compiler) => {
    it.each(resolutions)("compiles against each package's declarations as %s", async (module) => {
      const imports = names.map((name, index) => `export * as p${index} from ${JSON.stringify(name)};`);
      await compile(project, imports.join("\n"), module, compiler);
    });
  });
});
