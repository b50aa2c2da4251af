import { startPostgres } from "./postgres.ts";
import type { RunningService, Server } from "./server.ts";

export type { RunningService, Server } from "./server.ts";

/** A kind of server. */
export interface Service<Started extends RunningService> {
  /** For people. */
  readonly name: string;
  /** The environment variable that names a running one instead. */
  readonly variable: string;
  /** Starts one of one's own. @throws If this machine has none and cannot install one, saying how to get it. */
  start(): Promise<Started>;
}

/** The servers that tests can ask for. */
export interface Services {
  readonly postgres: Service<Server>;
}

export type ServiceName = keyof Services;

export const services: Services = {
  postgres: { name: "PostgreSQL", variable: "WARP_TEST_POSTGRES_URL", start: startPostgres },
};

/** The server named by the environment; else a new one on free ports that ends with this process. */
export const startService = async (name: ServiceName): Promise<RunningService> => {
  const { variable, start } = services[name];
  const given = process.env[variable];
  return given === undefined || given === "" ? start() : { url: given, stop: async () => {} };
};
