import { afterAll } from "@jest/globals";
import { type ServiceName, startService } from "@warp/tests-services/servers";

type Environment = Readonly<Record<string, string>>;

/** The variables that name a server, from its URL. */
const variablesOf: Readonly<Record<string, (url: string) => Environment>> = {
  redis: (url) => ({ REDIS_URL: url }),
  postgres: (url) => ({ DATABASE_URL: url }),
  nats: (url) => ({ NATS_URL: url }),
  kafka: (url) => ({ KAFKA_BROKERS: url.replaceAll("kafka://", "") }),
  s3: (url) => {
    const { origin, username, password, pathname } = new URL(url);
    return {
      S3_ENDPOINT: origin,
      S3_BUCKET: pathname.slice(1),
      S3_ACCESS_KEY_ID: decodeURIComponent(username),
      S3_SECRET_ACCESS_KEY: decodeURIComponent(password),
    };
  },
};

/**
 * Starts servers for this test file. @returns The variables of the atlas that name them.
 * @throws If one cannot be had, saying how to get it.
 */
export const startServers = async (...names: readonly ServiceName[]): Promise<Environment> => {
  const started = await Promise.all(names.map((name) => startService(name)));
  afterAll(async () => {
    await Promise.all(started.map((server) => server.stop()));
  });
  return Object.assign(
    {},
    ...names.map((name, index) => variablesOf[name]?.(started[index]?.url ?? "")),
  ) as Environment;
};
