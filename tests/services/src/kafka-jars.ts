import { mkdir, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { exists, findPrograms, runAlone, ServerMissing } from "./programs.ts";

interface Artifact {
  readonly group: string;
  readonly name: string;
  readonly version: string;
}

const loggers: Readonly<Record<3 | 4, readonly Artifact[]>> = {
  // Kafka 3 logs through slf4j only; what writes it is the operator's choice, and so is not among its dependencies.
  3: [
    { group: "ch.qos.reload4j", name: "reload4j", version: "1.2.25" },
    { group: "org.slf4j", name: "slf4j-reload4j", version: "1.7.36" },
  ],
  4: [{ group: "org.apache.logging.log4j", name: "log4j-slf4j-impl", version: "2.24.3" }],
};

/** The releases that are fetched, by major version. */
export const versions: Readonly<Record<3 | 4, string>> = { 3: "3.9.1", 4: "4.1.0" };

const projectOf = (major: 3 | 4): string => {
  const kafka = { group: "org.apache.kafka", name: "kafka_2.13", version: versions[major] };
  const dependencies = [kafka, ...loggers[major]].map(
    ({ group, name, version }) =>
      `<dependency><groupId>${group}</groupId><artifactId>${name}</artifactId><version>${version}</version></dependency>`,
  );
  return [
    "<project><modelVersion>4.0.0</modelVersion>",
    "<groupId>warp</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>",
    `<dependencies>${dependencies.join("")}</dependencies></project>`,
  ].join("");
};

const ways = {
  server: "Kafka",
  elsewhere: "macOS: brew install maven",
  variable: "WARP_TEST_KAFKA_URL (Kafka 3) or WARP_TEST_KAFKA4_URL (Kafka 4)",
  example: "kafka://host:port",
};

/** Where downloads are kept between runs. */
const cache = (): string => join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "warp-tests");

const download = async (major: 3 | 4, folder: string): Promise<void> => {
  const bin = await findPrograms({ ...ways, names: ["mvn"], packages: ["maven", "default-jre-headless"] });
  const partial = `${folder}.${process.pid}`;
  await mkdir(partial, { recursive: true });
  try {
    await writeFile(join(partial, "pom.xml"), projectOf(major));
    const copy = `${join(bin, "mvn")} -B -q dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=lib`;
    // Those who waited for the lock find it done. The move comes last: a folder that is there is whole.
    const once = `cd '${partial}' && ${copy} && mv lib '${folder}'`;
    await runAlone(`kafka-${versions[major]}`, `test -d '${folder}' || (${once})`);
  } catch (error) {
    throw new ServerMissing(
      `Kafka ${versions[major]} could not be fetched by Maven. Where its repository is out of reach, start a broker ` +
        `yourself and set ${ways.variable} to ${ways.example}.`,
      { cause: error },
    );
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
};

const mayStart = (): void => {
  if (process.env.WARP_TEST_KAFKA === "mock")
    throw new ServerMissing("WARP_TEST_KAFKA=mock forbids to start a real Kafka.");
};

/** What it takes to run Kafka on this machine. */
export interface KafkaProgram {
  readonly version: string;
  readonly java: string;
  /** Java's class path. */
  readonly jars: string;
}

/**
 * A real Kafka broker, fetched by Maven once and kept in the user's cache (about 45 MB a version).
 * @throws If it can be neither found nor fetched, saying what to do; and with `WARP_TEST_KAFKA=mock`, to try that case.
 */
export const findKafka = async (major: 3 | 4): Promise<KafkaProgram> => {
  mayStart();
  const bin = await findPrograms({ ...ways, names: ["java"], packages: ["default-jre-headless"] });
  const version = versions[major];
  const folder = join(cache(), `kafka-${version}`);
  await mkdir(cache(), { recursive: true });
  if (!(await exists(folder))) await download(major, folder);
  return { version, java: join(bin, "java"), jars: join(folder, "*") };
};
