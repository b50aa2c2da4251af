import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { findKafka, type KafkaProgram } from "./kafka-jars.ts";
import { run } from "./processes.ts";
import { type Place, type Server, startServer } from "./server.ts";

/** One process that is broker and controller, small, whose groups form without waiting for more members. */
const settingsOf = ({ folder, ports: [port, controller] }: Place): string =>
  Object.entries({
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.quorum.voters": `1@127.0.0.1:${controller}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}`,
    "advertised.listeners": `PLAINTEXT://127.0.0.1:${port}`,
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "log.dirs": join(folder, "data"),
    "auto.create.topics.enable": false,
    "group.initial.rebalance.delay.ms": 0,
    "offsets.topic.num.partitions": 1,
    "offsets.topic.replication.factor": 1,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "num.network.threads": 2,
    "num.io.threads": 2,
    "background.threads": 2,
    "log.cleaner.dedupe.buffer.size": 4_000_000,
    // After a SIGKILL the controller takes the broker back once its former session is over.
    "broker.session.timeout.ms": 1_000,
    "broker.heartbeat.interval.ms": 250,
  })
    .map(([name, value]) => `${name}=${value}\n`)
    .join("");

const logSettings: Readonly<Record<3 | 4, string>> = {
  3: [
    "log4j.rootLogger=WARN, out",
    "log4j.appender.out=org.apache.log4j.ConsoleAppender",
    "log4j.appender.out.layout=org.apache.log4j.PatternLayout",
    "log4j.appender.out.layout.ConversionPattern=%d %p %m (%c)%n",
  ].join("\n"),
  4: [
    "appender.out.type=Console",
    "appender.out.name=out",
    "appender.out.layout.type=PatternLayout",
    "appender.out.layout.pattern=%d %p %m (%c)%n",
    "rootLogger.level=WARN",
    "rootLogger.appenderRef.out.ref=out",
  ].join("\n"),
};

const java = ({ java, jars }: KafkaProgram, { folder }: Place, major: 3 | 4): readonly string[] => [
  ...[java, "-Xmx256m", "-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"],
  `-D${major === 3 ? "log4j.configuration" : "log4j2.configurationFile"}=file:${join(folder, "log.properties")}`,
  ...["-cp", jars],
];

/** A shell's background job begins with SIGINT ignored, and Java leaves a signal alone that it finds ignored. */
const endable: readonly string[] = process.platform === "linux" ? ["env", "--default-signal=INT"] : [];

/** An ApiVersions request, version 0, correlation id 1, no client id, behind its length: the protocol's first question. */
const question = Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff]);

/** Whether a broker answers there: its port opens before that. */
const isUp = ({ ports: [port = 0] }: Place): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(question));
    const settle = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    let reply = Buffer.alloc(0);
    socket.setTimeout(1_000, () => settle(false));
    socket.on("error", () => settle(false));
    socket.on("close", () => resolve(false));
    socket.on("data", (chunk) => {
      reply = Buffer.concat([reply, chunk]);
      // The length, the correlation id, and an error code of 0.
      if (reply.length >= 10) settle(reply.readInt32BE(4) === 1 && reply.readInt16BE(8) === 0);
    });
  });

/**
 * The real Kafka, one broker in KRaft mode: 3.9 or 4.1. Takes about 3 s, and once a download by Maven.
 * It creates no topic by itself.
 * @throws If this machine can neither find nor fetch it, saying what to do.
 */
export const startKafka = async (major: 3 | 4): Promise<Server> => {
  const program = await findKafka(major);
  return startServer({
    name: `Kafka-${major}`,
    ports: 2,
    startsWithinMs: 60_000,
    prepare: async (place) => {
      const settings = join(place.folder, "server.properties");
      await writeFile(settings, settingsOf(place));
      await writeFile(join(place.folder, "log.properties"), logSettings[major]);
      const [command = "", ...args] = java(program, place, major);
      // One that begins with a dash would be taken for another option.
      const cluster = randomBytes(16).toString("base64url").replace(/^-/, "A");
      await run(command, [...args, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", settings]);
    },
    command: (place) => [
      ...endable,
      ...java(program, place, major),
      ...["kafka.Kafka", join(place.folder, "server.properties")],
    ],
    isUp,
    url: ({ ports: [port] }) => `kafka://127.0.0.1:${port}`,
  });
};
