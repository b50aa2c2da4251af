import { WarpError } from "./errors.ts";
import { invalid } from "./values/invalid.ts";

type Fact = readonly [field: string, accepted: string, holds: (value: unknown) => boolean];

interface Shape {
  readonly methods: readonly string[];
  readonly facts?: readonly Fact[];
  /** Where it comes from: ports that other packages implement have versions. */
  readonly from?: string;
}

const portVersion = 1;

const isBoolean = (value: unknown): boolean => typeof value === "boolean";
const isCount = (value: unknown): boolean => typeof value === "number" && value >= 0;

/** The options that are objects in use. */
export type PortField =
  | "localCache"
  | "sharedCache"
  | "store"
  | "bus"
  | "changeFeed"
  | "merge"
  | "codec"
  | "metrics"
  | "logger"
  | "tracer"
  | "clock"
  | "random";

const shapes: Readonly<Record<PortField, Shape>> = {
  localCache: {
    methods: ["get", "set", "delete", "entries", "clear"],
    facts: [
      [
        "isolate",
        '"none", "freeze" or "clone"',
        (value) => value === "none" || value === "freeze" || value === "clone",
      ],
    ],
    from: "the package of your localCache",
  },
  sharedCache: {
    methods: ["read", "put", "drop", "epoch", "onRollback"],
    from: "the package of your sharedCache (for example @warp/cache-redis)",
  },
  store: {
    methods: ["get", "getMany", "commit", "keys", "now"],
    facts: [
      ["atomicBatch", "true or false", isBoolean],
      ["conditionalDelete", "true or false", isBoolean],
      ["landsWithinMs", "a number of milliseconds, at least 0", isCount],
    ],
    from: "the package of your store (for example @warp/store-pg)",
  },
  bus: {
    methods: ["publish", "subscribe"],
    facts: [["maxFrameBytes", "a number of bytes", isCount]],
    from: "the package of your bus (for example @warp/bus-nats)",
  },
  changeFeed: { methods: ["watch"], from: "the package of your changeFeed (for example @warp/store-pg)" },
  merge: { methods: ["merge"], facts: [["readsCurrent", "true or false", isBoolean]], from: "@warp/merge" },
  codec: { methods: ["encode", "decode"] },
  metrics: { methods: ["attach"] },
  logger: { methods: ["debug", "info", "warn", "error"] },
  tracer: { methods: ["startSpan"] },
  clock: { methods: ["now", "monotonic", "schedule"] },
  random: { methods: ["next", "id"] },
};

export const portFields: readonly PortField[] = Object.keys(shapes) as PortField[];

/**
 * Checks what a port can be checked for without calling it. `undefined` passes.
 * @throws {WarpError} `INVALID_ARGUMENT` naming the field; `UNSUPPORTED` for a port of another version.
 */
export const requirePort = (field: PortField, port: unknown): void => {
  if (port === undefined) return;
  const shape: Shape = shapes[field];
  const what = `an object with methods ${shape.methods.map((method) => `"${method}"`).join(", ")}`;
  if (typeof port !== "object" || port === null) throw invalid(field, what, port);
  const parts = port as { readonly [part: string]: unknown; readonly portVersion?: unknown };
  const missing = shape.methods.find((method) => typeof parts[method] !== "function");
  if (missing !== undefined) throw invalid(`${field}.${missing}`, "a function", parts[missing]);
  const { from } = shape;
  if (from !== undefined && parts.portVersion !== portVersion) {
    throw new WarpError(
      "UNSUPPORTED",
      `${field} speaks version ${String(parts.portVersion)} of its port and this @warp/core version ${portVersion}: upgrade ${from} or @warp/core`,
    );
  }
  for (const [fact, accepted, holds] of shape.facts ?? [])
    if (!holds(parts[fact])) throw invalid(`${field}.${fact}`, accepted, parts[fact]);
};
