import { fileURLToPath } from "node:url";
import { accepts, type Server, startServer } from "./server.ts";

const script = fileURLToPath(new URL("../bin/kafka-mock.mjs", import.meta.url));
const scheme = "kafka+mock:";

/** Whether the URL is that of the mock cluster. */
export const isKafkaMock = (url: string): boolean => url.startsWith(scheme);

/**
 * librdkafka's mock cluster of one broker. It speaks enough of Kafka's protocol to produce and to read as a group.
 * It makes no topic when asked to, only the one (of 4 partitions) that a client sends to with `allowAutoTopicCreation`;
 * it retains nothing for a time, deletes no records, and forgets everything when it ends. A group takes 3 s to form.
 * @throws If this machine is not Linux with glibc on x64, for which alone there is a program.
 */
export const startKafkaMock = async (): Promise<Pick<Server, "url" | "pid" | "stop">> => {
  let port = 0;
  return startServer({
    name: "Kafka-mock",
    // It takes a port of its own choice.
    ports: 0,
    command: () => [process.execPath, script],
    isUp: async (_, __, output) => {
      port = Number(/replaced with 127\.0\.0\.1:(\d+)/.exec(output)?.[1] ?? 0);
      return port !== 0 && accepts(port);
    },
    url: () => `${scheme}//127.0.0.1:${port}`,
  });
};
