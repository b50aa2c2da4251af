import { afterAll, describe } from "@jest/globals";
import type { RunningService } from "./server.ts";
import { type Needs, type Service, type ServiceName, services, startReal, startService } from "./services.ts";

/**
 * A `describe` with a real server, started for this test file and stopped after it, or named by the environment. To be
 * awaited at the file's top level. A server that cannot be had fails the file, saying how to get one: it never skips.
 *
 * @param define Registers the tests; is handed the server's URL.
 * @param needs What the tests need of it.
 */
export const describeWith = async (
  name: ServiceName,
  define: (url: string) => void,
  needs: Needs = {},
): Promise<void> => {
  const { url, stop } = await startService(name, needs);
  // Of the file, not of the block: the hooks of the block, which close what it opened, come first.
  afterAll(stop);
  describe(services[name].name, () => define(url));
};

/**
 * As `describeWith`, but always with a server of the file's own, that it may kill, freeze and restart:
 * `await describeWithOwn(services.redis, (server) => …)`.
 *
 * @param define Registers the tests; is handed the server.
 */
export const describeWithOwn = async <Started extends RunningService>(
  service: Service<Started>,
  define: (server: Started) => void,
): Promise<void> => {
  const server = await startReal(service);
  afterAll(() => server.stop());
  describe(service.name, () => define(server));
};
