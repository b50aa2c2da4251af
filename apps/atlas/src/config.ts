import { z } from "zod";

const caches = ["memory", "redis", "memory+redis"] as const;
const stores = ["pglite", "pg", "s3"] as const;
const buses = ["memory", "nats", "kafka"] as const;

export interface S3Config {
  readonly bucket: string;
  /** `undefined`: AWS. */
  readonly endpoint: string | undefined;
  readonly region: string;
  /** `undefined`: as the SDK finds them. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
}

/** What Warp runs on. */
export interface Platform {
  /** Names the cluster, and with it whatever its nodes keep anywhere: tables, keys, objects, subjects, topics. */
  readonly cluster: string;
  readonly cache: { readonly kind: "memory" } | { readonly kind: "redis" | "memory+redis"; readonly url: string };
  readonly store: /** `folder`: where the database is; `undefined`: in memory. */
    | { readonly kind: "pglite"; readonly folder: string | undefined }
    | { readonly kind: "pg"; readonly url: string }
    | { readonly kind: "s3"; readonly s3: S3Config };
  readonly bus:
    | { readonly kind: "memory" }
    | { readonly kind: "nats"; readonly servers: readonly string[] }
    | { readonly kind: "kafka"; readonly brokers: readonly string[] };
}

export interface Config {
  readonly platform: Platform;
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** `undefined`: random. */
  readonly node: string | undefined;
  /** Entries of the cache in this process, at most. */
  readonly cacheEntries: number;
  /** Signs what nodes tell each other. */
  readonly secret: string | undefined;
  readonly logLevel: string;
  /** How long a shutdown may take, in milliseconds. */
  readonly shutdownMs: number;
  /** What works, and is hardly meant. */
  readonly warnings: readonly string[];
}

type Environment = Readonly<Record<string, string | undefined>>;

/** One variable: how it is read, and what is accepted, for people. */
interface Variable<T> {
  readonly schema: z.ZodType<T>;
  readonly accepted: string;
  /** Its value is never shown. */
  readonly secret?: boolean;
}

const variable = <T>(accepted: string, schema: z.ZodType<T>, secret = false): Variable<T> => ({
  schema,
  accepted,
  secret,
});

const choice = <const T extends readonly [string, ...string[]]>(names: T): Variable<T[number]> =>
  variable(names.join(" | "), z.enum(names));

const whole = (least: number, most: number): Variable<number> =>
  variable(
    `a whole number from ${least} to ${most}`,
    z
      .string()
      .regex(/^\d{1,9}$/)
      .transform(Number)
      .refine((value) => value >= least && value <= most),
  );

const address = (protocols: readonly string[]): Variable<string> =>
  variable(
    `a URL that begins with ${protocols.map((name) => `${name}://`).join(" or ")}`,
    z.string().refine((text) => URL.canParse(text) && protocols.includes(new URL(text).protocol.slice(0, -1))),
  );

const list = (accepted: string, each: RegExp): Variable<readonly string[]> =>
  variable(
    `${accepted}; several are separated by commas`,
    z
      .string()
      .transform((text) => text.split(",").map((part) => part.trim()))
      .refine((parts) => parts.every((part) => each.test(part))),
  );

const text = (accepted: string, pattern: RegExp): Variable<string> => variable(accepted, z.string().regex(pattern));

const any = text("a text", /./);

const variables = {
  CACHE: choice(caches),
  STORE: choice(stores),
  BUS: choice(buses),
  CLUSTER: text("a letter, then up to 29 of a-z, 0-9 and _", /^[a-z][a-z0-9_]{0,29}$/),
  REDIS_URL: address(["redis", "rediss"]),
  PGLITE_FOLDER: any,
  DATABASE_URL: address(["postgres", "postgresql"]),
  S3_BUCKET: text("a bucket's name, 3 to 63 of a-z, 0-9, . and -", /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/),
  S3_ENDPOINT: address(["http", "https"]),
  S3_REGION: text("a region, such as eu-west-1", /^[a-z0-9-]+$/),
  S3_ACCESS_KEY_ID: any,
  S3_SECRET_ACCESS_KEY: variable("a text", z.string(), true),
  NATS_URL: list("nats://host:port or tls://host:port", /^(nats|tls):\/\/\S+$/),
  KAFKA_BROKERS: list("host:port", /^[\w.-]+:\d{1,5}$/),
  HOST: text("a host name or an address", /^\S+$/),
  PORT: whole(0, 65_535),
  NODE_NAME: text("1 to 128 letters, digits or . : _ -", /^[\w.:-]{1,128}$/),
  CACHE_ENTRIES: whole(1, 100_000_000),
  CLUSTER_SECRET: variable("at least 16 characters", z.string().min(16), true),
  LOG_LEVEL: choice(["fatal", "error", "warn", "info", "debug", "trace", "silent"]),
  SHUTDOWN_MS: whole(1, 600_000),
} as const;

type Name = keyof typeof variables;
type Values = { readonly [K in Name]?: (typeof variables)[K] extends Variable<infer T> ? T : never };

/** Everything that is wrong with an environment, at once. */
export class ConfigurationError extends Error {
  override readonly name = "ConfigurationError";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`the environment cannot be used:\n${problems.map((problem) => `  - ${problem}`).join("\n")}`);
    this.problems = problems;
  }
}

/** As it is shown to people: what stands before an `@` may be a password. */
const shown = (value: string, secret = false): string =>
  secret ? "(not shown)" : JSON.stringify(value.replace(/^(\w+:\/\/)?.*@/s, "$1…@"));

/** An empty variable counts as none, since Compose files and shells pass those on. */
const isSet = (environment: Environment, name: Name): boolean => (environment[name] ?? "") !== "";

const readAll = (environment: Environment, problems: string[]): Values => {
  const values: Record<string, unknown> = {};
  for (const [name, { schema, accepted, secret }] of Object.entries<Variable<unknown>>(variables)) {
    const held = environment[name];
    if (held === undefined || held === "") continue;
    const read = schema.safeParse(held);
    if (read.success) values[name] = read.data;
    else problems.push(`${name} is ${shown(held, secret)}; accepted: ${accepted}`);
  }
  return values as Values;
};

/** What each choice cannot do without. */
const needs: readonly (readonly [Name, RegExp, Name])[] = [
  ["CACHE", /redis/, "REDIS_URL"],
  ["STORE", /^pg$/, "DATABASE_URL"],
  ["STORE", /^s3$/, "S3_BUCKET"],
  ["BUS", /^nats$/, "NATS_URL"],
  ["BUS", /^kafka$/, "KAFKA_BROKERS"],
];

const missing = (environment: Environment): readonly string[] => {
  const unmet = needs.filter(
    ([name, chosen, needed]) => chosen.test(environment[name] ?? "") && !isSet(environment, needed),
  );
  const problems = unmet.map(
    ([name, , needed]) =>
      `${needed} is not set, and ${name}=${environment[name]} needs it; accepted: ${variables[needed].accepted}`,
  );
  const [id, key] = ["S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"] as const;
  if (isSet(environment, id) !== isSet(environment, key)) {
    const [set, unset] = isSet(environment, id) ? [id, key] : [key, id];
    problems.push(`${unset} is not set, and ${set} is; accepted: both, or neither`);
  }
  return problems;
};

const cacheOf = ({ CACHE = "memory", REDIS_URL = "" }: Values): Platform["cache"] =>
  CACHE === "memory" ? { kind: CACHE } : { kind: CACHE, url: REDIS_URL };

const storeOf = (values: Values): Platform["store"] => {
  const { STORE = "pglite", S3_ACCESS_KEY_ID: accessKeyId, S3_SECRET_ACCESS_KEY: secretAccessKey } = values;
  if (STORE === "pglite") return { kind: STORE, folder: values.PGLITE_FOLDER };
  if (STORE === "pg") return { kind: STORE, url: values.DATABASE_URL ?? "" };
  const s3 = {
    bucket: values.S3_BUCKET ?? "",
    endpoint: values.S3_ENDPOINT,
    region: values.S3_REGION ?? "us-east-1",
    credentials:
      accessKeyId === undefined || secretAccessKey === undefined ? undefined : { accessKeyId, secretAccessKey },
  };
  return { kind: STORE, s3 };
};

const busOf = ({ BUS = "memory", NATS_URL = [], KAFKA_BROKERS = [] }: Values): Platform["bus"] => {
  if (BUS === "memory") return { kind: BUS };
  return BUS === "nats" ? { kind: BUS, servers: NATS_URL } : { kind: BUS, brokers: KAFKA_BROKERS };
};

/** In the words of the environment. */
export const describePlatform = ({ cluster, cache, store, bus }: Platform): string =>
  `CACHE=${cache.kind} STORE=${store.kind} BUS=${bus.kind} CLUSTER=${cluster}`;

const warningsOf = ({ cache, store, bus }: Platform): readonly string[] => {
  const warnings: string[] = [];
  const alone = store.kind === "pglite";
  if (alone && (bus.kind !== "memory" || cache.kind !== "memory"))
    warnings.push(
      `STORE=pglite is a database in this very process: another process with ${bus.kind === "memory" ? `CACHE=${cache.kind}` : `BUS=${bus.kind}`} would not see its data. Run one process, or use STORE=pg or STORE=s3`,
    );
  if (!alone && bus.kind === "memory")
    warnings.push(
      `BUS=memory ends at this process: another process on STORE=${store.kind} would serve old copies until they expire. Run one process, or use BUS=nats or BUS=kafka`,
    );
  if (alone && store.folder === undefined)
    warnings.push("PGLITE_FOLDER is not set: the database is in memory, and lost when this process ends");
  return warnings;
};

/**
 * The configuration that an environment holds. Opens nothing.
 * @throws {ConfigurationError} With everything that is wrong, each naming the variable, what it holds and what is accepted.
 */
export const configOf = (environment: Environment): Config => {
  const problems: string[] = [];
  const values = readAll(environment, problems);
  problems.push(...missing(environment));
  if (problems.length > 0) throw new ConfigurationError(problems);
  const platform: Platform = {
    cluster: values.CLUSTER ?? "atlas",
    cache: cacheOf(values),
    store: storeOf(values),
    bus: busOf(values),
  };
  return {
    platform,
    host: values.HOST ?? "127.0.0.1",
    port: values.PORT ?? 3_000,
    node: values.NODE_NAME,
    cacheEntries: values.CACHE_ENTRIES ?? 10_000,
    secret: values.CLUSTER_SECRET,
    logLevel: values.LOG_LEVEL ?? "info",
    shutdownMs: values.SHUTDOWN_MS ?? 10_000,
    warnings: warningsOf(platform),
  };
};
