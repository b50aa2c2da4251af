import { type RunningService, type ServiceName, services, startService } from "./services.ts";

const isName = (name: string): name is ServiceName => Object.hasOwn(services, name);
const names = Object.keys(services).filter(isName);
const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !isName(name));

/** Starts the named services one after another, says how to reach them, and runs until it is interrupted. */
const main = async (wanted: readonly ServiceName[]): Promise<void> => {
  const parent = process.ppid;
  const ended = new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
    // A parent that was killed says nothing: somebody else is the parent then.
    setInterval(() => process.ppid !== parent && resolve(), 500).unref();
  });
  const running: RunningService[] = [];
  try {
    for (const name of wanted) {
      const startedAt = performance.now();
      const service = await startService(name, { standIn: true });
      running.push(service);
      console.log(`export ${services[name].variable}='${service.url}'`);
      console.error(`# ${services[name].name} is up after ${Math.round(performance.now() - startedAt)} ms`);
    }
    console.error("# Ctrl-C ends them and removes their data.");
    await ended;
  } finally {
    await Promise.all(running.map((service) => service.stop()));
  }
};

if (unknown.length > 0) {
  console.error(`Unknown service: ${unknown.join(", ")}. Accepted: ${names.join(", ")}; none means all.`);
  process.exitCode = 1;
} else await main(asked.length > 0 ? asked.filter(isName) : names);
