import { afterAll, describe } from "@jest/globals";
import { type RunningService, startPostgres } from "./postgres.ts";

/** The servers that tests can ask for. */
export type ServiceName = "postgres";

const starters: Readonly<Record<ServiceName, () => Promise<RunningService>>> = { postgres: startPostgres };

/**
 * A `describe` with a real server, started for this test file and stopped after it. To be awaited at the file's top
 * level. A server that cannot be had fails the file, saying how to get one: it never skips.
 *
 * @param define Registers the tests; is handed the server's URL.
 */
export const describeWith = async (service: ServiceName, define: (url: string) => void): Promise<void> => {
  const { url, stop } = await starters[service]();
  // Of the file, not of the block: the hooks of the block, which close what it opened, come first.
  afterAll(stop);
  describe(service, () => define(url));
};
