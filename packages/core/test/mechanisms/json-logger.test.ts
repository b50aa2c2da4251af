import { expect, it } from "@jest/globals";
import { WarpError } from "../../src/errors.ts";
import { type JsonLoggerOptions, jsonLogger, silentLogger } from "../../src/mechanisms/json-logger.ts";

const capture = (options: JsonLoggerOptions = {}) => {
  const lines: string[] = [];
  const logger = jsonLogger({
    clock: { now: () => 1_700_000_000_000.7 },
    write: (line) => lines.push(line),
    ...options,
  });
  return { logger, lines, parsed: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
};

it("a line is JSON with pino's names, and ends", () => {
  const { logger, lines } = capture();
  logger.warn({ port: "bus" }, "no answer");
  expect(lines).toEqual(['{"level":40,"time":1700000000000,"port":"bus","msg":"no answer"}\n']);
});

it("what is below the level is not written, not even looked at", () => {
  const { logger, parsed } = capture();
  const explosive = Object.defineProperty({}, "field", { enumerable: true, get: () => expect(true).toBe(false) });
  logger.debug(explosive, "quiet");
  logger.info({}, "a");
  logger.error({}, "b");
  expect(parsed().map(({ level }) => level)).toEqual([30, 50]);
  const verbose = capture({ level: "debug" });
  verbose.logger.debug({}, "c");
  expect(verbose.parsed()).toHaveLength(1);
});

it("an error is written with its code, its key and the chain of its causes", () => {
  const { logger, parsed } = capture();
  const root = Object.assign(new Error("refused"), { code: "ECONNREFUSED" });
  logger.error({ err: new WarpError("UNAVAILABLE", "no store", { key: "user:1", cause: root }) }, "a write failed");
  expect(parsed()[0]?.err).toMatchObject({
    type: "WarpError",
    code: "UNAVAILABLE",
    key: "user:1",
    message: "no store",
    cause: { type: "Error", code: "ECONNREFUSED", message: "refused" },
  });
});

it("no field keeps a line from being written: cycles, bigints, throwing getters, causes that go in circles", () => {
  const { logger, parsed } = capture();
  const circle: Record<string, unknown> = {};
  circle.self = circle;
  const looped = new Error("round");
  looped.cause = looped;
  logger.info({ circle, size: 10n, none: undefined }, "a");
  logger.info({ err: looped }, "b");
  logger.info(
    {
      bad: {
        toJSON: () => {
          throw new Error("no");
        },
      },
    },
    "c",
  );
  expect(parsed().map(({ msg }) => msg)).toEqual(["a", "b", "c"]);
  expect(parsed()[0]).toMatchObject({ circle: "[not serialisable]", size: "10" });
});

it("the silent logger is silent and takes everything", () => {
  for (const method of [silentLogger.debug, silentLogger.info, silentLogger.warn, silentLogger.error])
    expect(method({}, "x")).toBeUndefined();
});
