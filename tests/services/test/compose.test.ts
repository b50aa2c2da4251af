import { readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import { parse } from "yaml";
import { type ServiceName, services } from "../src/services.ts";

interface Compose {
  readonly "x-urls": Readonly<Record<string, string>>;
  readonly services: Readonly<Record<string, { readonly image: string; readonly ports: readonly string[] }>>;
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

  it.each(names)("offers %s in the form in which the tests start it", async (name) => {
    const service = await services[name].start();
    await service.stop();
    expect(shape(urls[services[name].variable] ?? "")).toBe(shape(service.url));
  });
});
