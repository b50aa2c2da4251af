import { readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import { parse } from "yaml";
import { versions as kafkaVersions } from "../src/kafka-jars.ts";
import { type ServiceName, services } from "../src/services.ts";

interface Compose {
  readonly "x-urls": Readonly<Record<string, string>>;
  readonly services: Readonly<
    Record<
      string,
      { readonly image: string; readonly ports: readonly string[]; readonly healthcheck?: { readonly test: unknown } }
    >
  >;
}

const compose: Compose = parse(readFileSync(new URL("../../../compose.yaml", import.meta.url), "utf8"), {
  merge: true,
});
const urls = compose["x-urls"];
const names = Object.keys(services) as ServiceName[];

/** What a URL says beside its ports: protocol, credentials, how many servers, path. */
const shape = (url: string): string => url.replaceAll(/:\d+/g, ":port");

/** `127.0.0.1:57001-57006:57001-57006` names six ports of this machine. */
const published = new Set(
  Object.values(compose.services)
    .flatMap(({ ports }) => ports)
    .flatMap((mapping) => {
      const [host, range = ""] = mapping.split(":");
      const [from = 0, to = from] = range.split("-").map(Number);
      return host === "127.0.0.1" ? Array.from({ length: to - from + 1 }, (_, index) => from + index) : [];
    }),
);

describe("compose.yaml", () => {
  it("names a URL for each server that tests can ask for, and for no other", () => {
    expect(Object.keys(urls).sort()).toEqual(names.map((name) => services[name].variable).sort());
  });

  it("publishes every port that its URLs name, on the loopback interface alone", () => {
    const named = Object.values(urls).flatMap((url) => [...url.matchAll(/:(\d+)/g)].map(([, port]) => Number(port)));
    expect(named.filter((port) => !published.has(port))).toEqual([]);
    const open = Object.values(compose.services).flatMap(({ ports }) =>
      ports.filter((port) => !/^127\.0\.0\.1:/.test(port)),
    );
    expect(open).toEqual([]);
    expect(new Set(named).size).toBe(named.length);
  });

  it("waits for each of its services to be up", () => {
    const unwatched = Object.entries(compose.services).filter(([, { healthcheck }]) => healthcheck === undefined);
    expect(unwatched.map(([name]) => name)).toEqual([]);
  });

  // Ceph, which the tests start, is not MinIO: the file says so.
  it("pins a version of MinIO", () => {
    expect(compose.services.s3?.image).toMatch(/^minio\/minio:RELEASE\./);
  });

  it("has the versions of Kafka that the tests start", () => {
    expect(compose.services.kafka?.image).toBe(`apache/kafka:${kafkaVersions[3]}`);
    expect(compose.services.kafka4?.image).toBe(`apache/kafka:${kafkaVersions[4]}`);
  });

  it.each([
    ["postgres", /^postgres:(?<version>\d+)$/, /PostgreSQL (?<version>\d+)\./, ["postgres"]],
    [
      "redis",
      /^redis:(?<version>\d+\.\d+)$/,
      /version=(?<version>\d+\.\d+)\./,
      ["redis", "redis-cluster", "redis-sentinel"],
    ],
    ["nats", /^nats:(?<version>\d+\.\d+)-/, /Version: +(?<version>\d+\.\d+)\./, ["nats", "nats-1", "nats-2", "nats-3"]],
  ] as const)("has the version of %s that the tests start", async (name, image, told, inCompose) => {
    const server = await services[name].start();
    const version = told.exec(server.output())?.groups?.version;
    await server.stop();
    expect(version).toMatch(/\d/);
    for (const service of inCompose)
      expect(image.exec(compose.services[service]?.image ?? "")?.groups?.version).toBe(version);
  });

  it.each(names)("offers %s in the form in which the tests start it", async (name) => {
    const service = await services[name].start();
    await service.stop();
    expect(shape(urls[services[name].variable] ?? "")).toBe(shape(service.url));
  });
});
