import Fastify, { type FastifyServerOptions } from "fastify";
import { openService, type Service } from "../bootstrap.ts";
import type { Config } from "../config.ts";
import { addCities, addTransfers } from "./cities.ts";
import { addDrain } from "./drain.ts";
import { sendError, sendNotFound } from "./errors.ts";
import { addProbes } from "./probes.ts";
import { type App, compileZod, type ZodTypeProvider } from "./type-provider.ts";

type LoggerOption = FastifyServerOptions["logger"];

const createApp = (logger: LoggerOption): App => {
  const app: App = Fastify({ logger: logger ?? false, frameworkErrors: sendError }).withTypeProvider<ZodTypeProvider>();
  app.setValidatorCompiler(compileZod);
  app.setErrorHandler(sendError);
  app.setNotFoundHandler(sendNotFound);
  addDrain(app);
  return app;
};

const addRoutes = (app: App, service: Service): void => {
  addCities(app, service);
  addTransfers(app, service);
  addProbes(app, service);
};

/** The routes before a node that is open already, and that `close()` leaves open. */
export const appOf = (service: Service, logger: LoggerOption): App => {
  const app = createApp(logger);
  addRoutes(app, service);
  return app;
};

/**
 * The service, opened and not yet listening. `close()` stops listening, lets the requests under way finish, and then
 * closes the node and its clients.
 */
export const openApp = async (config: Config, logger: LoggerOption = { level: config.logLevel }): Promise<App> => {
  const app = createApp(logger);
  for (const warning of config.warnings) app.log.warn(warning);
  const service = await openService(config, app.log);
  // Runs when no request is under way any more.
  app.addHook("onClose", async () => await service.close());
  addRoutes(app, service);
  return app;
};
