import { MemoryStore, type Mutation, type StoredRecord } from "@warp/core";
import { FillGuard } from "../../../packages/core/src/mechanisms/fill-guard.ts";
import { type Continuity, Peers } from "../../../packages/core/src/mechanisms/peers.ts";
import { type Flight, SingleFlight } from "../../../packages/core/src/mechanisms/single-flight.ts";
import { StoreAccess } from "../../../packages/core/src/mechanisms/store-access.ts";

/** Puts something else in the place of a method. */
export const replace = <T extends object, K extends keyof T>(
  target: T,
  name: K,
  make: (original: T[K]) => T[K],
): (() => void) => {
  const original = target[name];
  target[name] = make(original);
  return () => {
    target[name] = original;
  };
};

export const nothing = (): undefined => undefined;

/** Several breakages at once. */
export const together =
  (...breaking: readonly (() => () => void)[]) =>
  (): (() => void) => {
    const mending = breaking.map((one) => one());
    return () => {
      for (const mend of mending.reverse()) mend();
    };
  };

export const deafTo = (missed: Continuity): (() => void) => {
  const hide = (continuity: Continuity): Continuity => (continuity === missed ? "expected" : continuity);
  const mend = [
    replace(
      Peers.prototype,
      "heard",
      (original) =>
        function (this: Peers, ...news) {
          return hide(original.apply(this, news));
        },
    ),
    replace(
      Peers.prototype,
      "reported",
      (original) =>
        function (this: Peers, ...news) {
          return hide(original.apply(this, news));
        },
    ),
  ];
  return () => {
    for (const one of mend) one();
  };
};

type AnyFlight = Flight<unknown, unknown>;

/** Callers join a load until `end` is over, whatever has happened since it began. */
const joining = (end: (flight: AnyFlight) => Promise<unknown>): (() => void) => {
  const running = new WeakMap<object, Map<string, AnyFlight>>();
  return together(
    () =>
      replace(
        SingleFlight.prototype,
        "start",
        (original) =>
          function (this: SingleFlight<unknown, unknown>, ...call) {
            const flight = original.apply(this, call);
            const flights = running.get(this) ?? new Map<string, AnyFlight>();
            running.set(this, flights.set(flight.key, flight));
            void end(flight).then(() => {
              if (flights.get(flight.key) === flight) flights.delete(flight.key);
            });
            return flight;
          },
      ),
    () =>
      replace(
        SingleFlight.prototype,
        "current",
        () =>
          function (this: SingleFlight<unknown, unknown>, key) {
            return running.get(this)?.get(key);
          },
      ),
  )();
};

/** Callers join whatever load is under way. */
export const joinVoided = (): (() => void) => joining((flight) => flight.fetched.catch(nothing));

/** Callers join a load as long as it runs, also while its commit is under way. */
export const joinCommitting = (): (() => void) =>
  joining(async (flight) => {
    await flight.fetched.catch(nothing);
    await flight.loaded?.catch(nothing);
  });

/** Every commit lands, whatever was written meanwhile. */
export const unconditional = (): (() => void) =>
  replace(
    MemoryStore.prototype,
    "commit",
    (original) =>
      async function (this: MemoryStore, operation, mutations, options) {
        let sent = mutations;
        for (;;) {
          try {
            return await original.call(this, operation, sent, options);
          } catch (error) {
            const { conflicts } = error as { conflicts?: ReadonlyMap<string, StoredRecord | undefined> };
            if (conflicts === undefined) throw error;
            sent = sent.map(
              (one): Mutation =>
                conflicts.has(one.key) ? { ...one, expected: conflicts.get(one.key)?.revision } : one,
            );
          }
        }
      },
  );

/** An attempt that is sent again looks like another one. */
export const renamed = (): (() => void) => {
  let sent = new WeakMap<object, number>();
  const mend = replace(
    StoreAccess.prototype,
    "commit",
    (original) =>
      function (this: StoreAccess, operation, mutations, call) {
        const before = sent.get(mutations) ?? 0;
        sent.set(mutations, before + 1);
        return original.call(
          this,
          before === 0 ? operation : `${operation.slice(0, 20)}${String(before).padStart(2, "-")}`,
          mutations,
          call,
        );
      },
  );
  return () => {
    sent = new WeakMap();
    mend();
  };
};

export const unknownIsRefused = (): (() => void) =>
  replace(
    StoreAccess.prototype,
    "commit",
    (original) =>
      async function (this: StoreAccess, ...call) {
        const reply = await original.apply(this, call);
        return reply.kind === "unknown" ? { kind: "refused", error: reply.error } : reply;
      },
  );

/** A process that takes the name of another ends the search for that one. */
export const restartHidesDeath = (): (() => void) => {
  const last = new WeakMap<Peers, Map<string, string>>();
  return replace(
    Peers.prototype,
    "heard",
    (original) =>
      function (this: Peers, node, incarnation, ...news) {
        const names = last.get(this) ?? new Map<string, string>();
        last.set(this, names);
        const before = names.get(node);
        if (before !== undefined && before !== incarnation) this.left(before);
        names.set(node, incarnation);
        return original.call(this, node, incarnation, ...news);
      },
  );
};

/** The generation of an entry is that of the end of its load. */
export const lateGeneration = (): (() => void) =>
  replace(
    FillGuard.prototype,
    "take",
    (original) =>
      function (this: FillGuard, key, owner) {
        const token = original.call(this, key, owner);
        return Object.defineProperty(token, "generation", { get: () => owner.generation });
      },
  );
