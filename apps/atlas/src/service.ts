import closeWithGrace from "close-with-grace";
import { type Config, ConfigurationError, configOf } from "./config.ts";
import { openApp } from "./http/app.ts";

const readConfig = (): Config | undefined => {
  try {
    return configOf(process.env);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    console.error(error.message);
    return undefined;
  }
};

const serve = async (config: Config): Promise<void> => {
  const app = await openApp(config);
  closeWithGrace({ delay: config.shutdownMs, logger: app.log }, async ({ signal, err }) => {
    if (err === undefined) app.log.info({ signal }, "stopping: no new requests; finishing what is under way");
    else app.log.fatal({ err }, "stopping: an error that nobody caught");
    await app.close();
    app.log.info("stopped");
  });
  await app.listen({ host: config.host, port: config.port });
};

const config = readConfig();
if (config === undefined) process.exitCode = 1;
else {
  try {
    await serve(config);
  } catch (error) {
    console.error(error);
    process.exit(1);
  }
}
