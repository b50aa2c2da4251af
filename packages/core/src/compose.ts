import type { WarpError } from "./errors.ts";
import { BackgroundErrors } from "./mechanisms/background-errors.ts";
import { BackgroundWork } from "./mechanisms/background-work.ts";
import { Breaker } from "./mechanisms/breaker.ts";
import { CoarseClock } from "./mechanisms/coarse-clock.ts";
import { Fences } from "./mechanisms/fences.ts";
import { FillGuard } from "./mechanisms/fill-guard.ts";
import { Guard } from "./mechanisms/guard.ts";
import { GuardedLocalCache } from "./mechanisms/guarded-local-cache.ts";
import { jsonLogger } from "./mechanisms/json-logger.ts";
import { KeyedMutex } from "./mechanisms/keyed-mutex.ts";
import { LockBook } from "./mechanisms/lock-book.ts";
import { Meters } from "./mechanisms/meters.ts";
import { NodeClock } from "./mechanisms/node-clock.ts";
import { SharedAccess } from "./mechanisms/shared-access.ts";
import { SharedEpoch } from "./mechanisms/shared-epoch.ts";
import { SingleFlight } from "./mechanisms/single-flight.ts";
import { StoreAccess } from "./mechanisms/store-access.ts";
import { VersionLog } from "./mechanisms/version-log.ts";
import { MemoryCache } from "./memory/memory-cache.ts";
import { settingsOf, type WarpOptions } from "./options.ts";
import { heartbeatMs } from "./paths/bus-side.ts";
import type { Context, Fetched, Settings } from "./paths/context.ts";
import { tolerateCacheError } from "./paths/context.ts";
import { SharedReads } from "./paths/shared-reads.ts";
import { SharedWrites } from "./paths/shared-writes.ts";
import { strongQuestions } from "./paths/strong-question.ts";
import { suspectAll, suspectLocal } from "./paths/suspicion.ts";
import type { LocalCache } from "./ports/local-cache.ts";
import type { Logger } from "./ports/logger.ts";
import type { Tracer } from "./ports/tracer.ts";
import type { Registry } from "./registry.ts";
import { systemClock } from "./values/clock.ts";

/** A context whose remaining parts are added once they exist, since they need it themselves. */
export type GrowingContext = { -readonly [Field in keyof Context]: Context[Field] };

/** What a node is made of, before its bus side and write-behind are added. */
export interface Composition {
  readonly clock: NodeClock;
  readonly context: GrowingContext;
  readonly epoch: SharedEpoch | undefined;
  readonly busGuard: Guard | undefined;
  readonly breakers: readonly Breaker[];
  /** The local cache as the read path sees it: it answers or it has nothing. */
  readonly entries: LocalCache | undefined;
  /** The local cache that nobody else will close. */
  readonly owned: MemoryCache | undefined;
}

interface Base {
  readonly settings: Settings;
  readonly tracer: Tracer | undefined;
  readonly logger: Logger;
  readonly meters: Meters;
}

// One missed deadline of a cache is enough to go on without it; a store may be slow now and then.
const failuresToOpen = { "shared-cache": 1, store: 5, bus: 5 } as const;

const guardOf = (
  base: Base,
  port: "shared-cache" | "store" | "bus",
  deadlineMs: number,
  probe: (guard: Guard) => Promise<unknown>,
): { guard: Guard; breaker: Breaker } => {
  const { settings, logger, meters } = base;
  const { clock, random } = settings;
  const breaker: Breaker = new Breaker({
    clock,
    random,
    threshold: failuresToOpen[port],
    probe: () => probe(guard),
    onChange: (state) =>
      logger.warn({ port, state, node: settings.node }, `the circuit breaker of the ${port} is ${state}`),
  });
  const latency = (outcome: "ok" | "error" | "timeout") => meters.portLatency(port, outcome);
  const guard: Guard = new Guard({ port, clock, deadlineMs, breaker, latency, tracer: base.tracer });
  return { guard, breaker };
};

const sharedOf = (
  base: Base,
  options: WarpOptions,
  epochOf: () => SharedEpoch | undefined,
): { shared: SharedAccess; breaker: Breaker } | undefined => {
  const cache = options.sharedCache;
  if (cache === undefined) return undefined;
  const { settings } = base;
  const { guard, breaker } = guardOf(base, "shared-cache", settings.cacheDeadlineMs, (own) =>
    own.probe({ operation: "probe" }, (call) => cache.epoch(undefined, call)),
  );
  // A token must outlive the longest load that may present it.
  const reserveMs = settings.loaderDeadlineMs + 4 * settings.storeDeadlineMs + 4 * settings.cacheDeadlineMs;
  return { shared: new SharedAccess({ cache, guard, reserveMs, onForgotten: () => epochOf()?.renew() }), breaker };
};

const storeOf = (base: Base, options: WarpOptions): { store: StoreAccess; breaker: Breaker } | undefined => {
  const { store } = options;
  if (store === undefined) return undefined;
  const { clock, random, storeDeadlineMs } = base.settings;
  const { guard, breaker } = guardOf(base, "store", storeDeadlineMs, (own) =>
    own.probe({ operation: "probe" }, (call) => store.now(call)),
  );
  return { store: new StoreAccess(store, guard, clock, () => random.id()), breaker };
};

/** Without a bus there is nobody whose word on the epoch to wait for. */
const epochTimes = ({ bus }: WarpOptions): { patienceMs: number; jitterMs: number } => ({
  patienceMs: bus === undefined ? 0 : 2 * heartbeatMs,
  jitterMs: heartbeatMs,
});

interface LocalTier {
  readonly local: LocalCache | undefined;
  readonly entries: LocalCache | undefined;
  readonly owned: MemoryCache | undefined;
}

const localOf = (options: WarpOptions, settings: Settings, contextOf: () => Context): LocalTier => {
  const given = options.localCache ?? new MemoryCache({ clock: settings.clock });
  if (given === false) return { local: undefined, entries: undefined, owned: undefined };
  const owned = options.localCache === undefined ? (given as MemoryCache) : undefined;
  if (given instanceof MemoryCache) return { local: given, entries: given, owned };
  const onFailure = (error: WarpError): void =>
    tolerateCacheError(contextOf(), error, error.operation ?? "get", "local-cache");
  const local = new GuardedLocalCache(given, onFailure, () => suspectLocal(contextOf()));
  return { local, entries: new GuardedLocalCache(given, () => undefined), owned };
};

/**
 * Puts a node's parts together; no I/O.
 * @throws {WarpError} `INVALID_ARGUMENT`, `UNSUPPORTED`.
 */
export const compose = (options: WarpOptions, registry: Registry, isOpen: () => boolean): Composition => {
  const given = settingsOf(options);
  const clock = new NodeClock(given.clock);
  const settings: Settings = Object.freeze({ ...given, clock });
  const { random } = settings;
  const { logger = jsonLogger({ clock }), tracer } = options;
  const base: Base = { settings, tracer, logger, meters: new Meters() };
  let epoch: SharedEpoch | undefined;
  const sharedParts = sharedOf(base, options, () => epoch);
  if (sharedParts !== undefined) {
    const onDistrust = (): void => suspectAll(context, "epoch");
    epoch = new SharedEpoch({ ...epochTimes(options), shared: sharedParts.shared, clock, random, onDistrust });
  }
  const storeParts = storeOf(base, options);
  const busParts =
    options.bus === undefined ? undefined : guardOf(base, "bus", settings.busDeadlineMs, () => Promise.resolve());
  const localParts = localOf(options, given, () => context);
  const fills = new FillGuard();
  const context: GrowingContext = {
    ...base,
    clock,
    random,
    now: new CoarseClock(given.clock, given.clock !== systemClock),
    errors: new BackgroundErrors(),
    local: localParts.local,
    shared: sharedParts?.shared,
    epochs: epoch,
    store: storeParts?.store,
    bus: undefined,
    dirty: undefined,
    strong: undefined,
    fences: new Fences(clock),
    questions: strongQuestions(() => context),
    leases: undefined,
    versions: storeParts === undefined ? new VersionLog() : undefined,
    fills,
    flights: new SingleFlight<Fetched, unknown>(fills),
    sharedReads: undefined,
    sharedWrites: undefined,
    locks: new KeyedMutex(),
    lockBook: new LockBook(),
    background: new BackgroundWork(),
    isOpen,
    resolve: (key) => registry.resolve(key),
    registrations: () => registry.all(),
  };
  if (sharedParts !== undefined) {
    context.sharedReads = new SharedReads(context, sharedParts.shared);
    if (storeParts === undefined) context.sharedWrites = new SharedWrites(context, sharedParts.shared);
  }
  const breakers = [sharedParts, storeParts, busParts].flatMap((parts) => (parts === undefined ? [] : [parts.breaker]));
  const { entries, owned } = localParts;
  return { clock, context, epoch, busGuard: busParts?.guard, breakers, entries, owned };
};
