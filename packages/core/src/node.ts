import { type Composition, compose } from "./compose.ts";
import { WarpError } from "./errors.ts";
import { Registration, type RegistrationPolicy } from "./mechanisms/registration.ts";
import { waitFor } from "./mechanisms/wait.ts";
import { type WarpOptions, wholeNumber } from "./options.ts";
import { BusSide, heartbeatMs } from "./paths/bus-side.ts";
import { type Context, inBackground, requireOpen } from "./paths/context.ts";
import { keepsHistory } from "./paths/history.ts";
import { Leases } from "./paths/lease.ts";
import { dropLocal } from "./paths/tiers.ts";
import { WriteBehind } from "./paths/write-behind.ts";
import type { Codec } from "./ports/codec.ts";
import type { MergeEngine } from "./ports/merge-engine.ts";
import { provideMetrics } from "./provide-metrics.ts";
import { type DynamicTtlOptions, dynamicPolicy, fixedPolicy, type RegisterOptions } from "./register-options.ts";
import { Registry } from "./registry.ts";
import { type NodeStatus, statusOf } from "./status.ts";
import type { Cancel } from "./values/clock.ts";
import { type Duration, durationMs } from "./values/duration.ts";
import type { Entry } from "./values/entry.ts";
import { overlaps } from "./values/pattern.ts";
import type { FrameBody } from "./wire/frame-body.ts";
import { jsonCodec } from "./wire/json-codec.ts";

/** The local tier as the fast path of a read sees it. */
export interface Hits {
  get(key: string): Entry | undefined;
}

const noEntries: Hits = { get: () => undefined };
const defaultPatienceMs = 10_000;

/** The life of a node: its parts, its heartbeat, what is registered, and its end. */
export class Node {
  readonly context: Context;
  readonly composition: Composition;
  readonly registry: Registry = new Registry();
  readonly bus: BusSide | undefined;
  readonly leases: Leases;
  readonly #writeBehind: WriteBehind | undefined;
  readonly #detachMetrics: Cancel | undefined;
  readonly #fallback: { readonly codec: Codec; readonly merge: MergeEngine | undefined };
  #cancelTick: Cancel | undefined;
  #open = true;
  #closing: Promise<void> | undefined;

  constructor(options: WarpOptions) {
    const composition = compose(options, this.registry, () => this.#open);
    const { context, epoch, busGuard } = composition;
    this.composition = composition;
    this.#fallback = { codec: options.codec ?? jsonCodec, merge: options.merge };
    this.context = context;
    if (context.store !== undefined && context.local !== undefined) {
      this.#writeBehind = new WriteBehind(context, context.store);
      context.dirty = this.#writeBehind;
    }
    if (options.bus !== undefined && busGuard !== undefined) {
      const news = {
        drop: (keys: readonly string[], sharedDropped: boolean) => this.#drop(keys, sharedDropped),
        dropAll: () => this.#dropAll(),
        other: (body: FrameBody, sentAt: number) => this.leases.onFrame(body, sentAt),
      };
      this.bus = new BusSide(context, { bus: options.bus, guard: busGuard, epoch, news });
      context.bus = this.bus;
    }
    this.leases = new Leases(context, (body) => this.bus?.announceOther(body));
    context.leases = this.leases;
    // In a later turn: a constructor does no I/O.
    queueMicrotask(() => epoch?.seek());
    const unwatch = context.shared?.cache.onRollback(() => epoch?.renew());
    const detach = options.metrics?.attach(() => context.meters.collect());
    this.#detachMetrics = () => {
      unwatch?.();
      detach?.();
    };
    provideMetrics(
      composition,
      () => this.#counts(),
      () => this.bus?.deaf === true,
    );
    if (this.bus !== undefined || context.shared !== undefined || context.store !== undefined) this.#scheduleTick();
  }

  get entries(): Hits {
    return this.composition.entries ?? noEntries;
  }

  async ready(): Promise<void> {
    await this.bus?.live;
  }

  status(): NodeStatus {
    return statusOf(this.composition, this.bus, this.#counts());
  }

  #counts(): { outbox: number; dirty: number; members: number; leases: number } {
    const { bus } = this;
    return {
      outbox: bus?.depth ?? 0,
      dirty: this.#writeBehind?.depth ?? 0,
      members: bus?.peers.nodes.length ?? 0,
      leases: this.leases.size,
    };
  }

  /** This node first. */
  nodes(): readonly string[] {
    return [this.context.settings.node, ...(this.bus?.peers.nodes ?? [])];
  }

  registerFixed(pattern: string, options: RegisterOptions): boolean {
    requireOpen(this.context, "register");
    return this.#register(fixedPolicy(pattern, options, this.#fallback));
  }

  registerDynamic(pattern: string, options: DynamicTtlOptions): boolean {
    requireOpen(this.context, "registerDynamicTtl");
    return this.#register(dynamicPolicy(pattern, options, this.#fallback));
  }

  setQuorum(pattern: string, nodes: number): boolean {
    wholeNumber("nodes", nodes, 1);
    const registration = this.registry.find(pattern);
    if (registration !== undefined) registration.quorum = nodes;
    return registration !== undefined;
  }

  /** A hit, with its time. */
  timeHit(operation: string, entry: Entry): Promise<unknown> {
    const { clock, meters } = this.context;
    const began = clock.monotonic();
    const answer = Promise.resolve(entry.value);
    meters.latency(operation, "hit").observe((clock.monotonic() - began) / 1_000);
    return answer;
  }

  /** Runs a call and counts how long it takes, by outcome. What it throws at once rejects too. */
  async timed(operation: string, run: () => unknown): Promise<unknown> {
    const { clock, meters } = this.context;
    const began = clock.monotonic();
    let outcome = "error";
    try {
      const result = await run();
      outcome = "ok";
      return result;
    } finally {
      meters.latency(operation, outcome).observe((clock.monotonic() - began) / 1_000);
    }
  }

  /** @returns `false` if the pattern is taken. @throws {WarpError} `UNSUPPORTED`. */
  #register(policy: RegistrationPolicy): boolean {
    if (this.registry.has(policy.pattern)) return false;
    this.#requireSupport(policy);
    const { meters, clock } = this.context;
    const registration = new Registration(policy, (pattern, hits) => meters.forPattern(pattern, hits));
    this.#raiseOverlapping(policy.pattern, clock.now());
    this.registry.add(registration);
    return true;
  }

  /** @returns `false` if the pattern is unknown. */
  async unregister(pattern: string): Promise<boolean> {
    const registration = this.registry.find(pattern);
    if (registration === undefined) return false;
    const { local, dirty, clock, meters } = this.context;
    if (!registration.isDistributed) await dirty?.flushAll();
    this.registry.remove(registration);
    this.#raiseOverlapping(pattern, clock.now());
    registration.end();
    if (local !== undefined) {
      for (const [key, entry] of local.entries()) if (entry.registration === registration) local.delete(key);
    }
    meters.release(registration.meters, registration.readHits);
    return true;
  }

  /** Resolves once the store and the transport have everything. @throws {WarpError} `DEADLINE_EXCEEDED`. */
  async flush(timeout: Duration = defaultPatienceMs): Promise<void> {
    const timeoutMs = durationMs("timeout", timeout);
    await waitFor(this.context.clock, this.#settled(), { timeoutMs, details: { operation: "flush" } });
  }

  /** @throws {WarpError} `DEADLINE_EXCEEDED` if something could not be finished in time: it is closed all the same. */
  async close(timeout: Duration = defaultPatienceMs): Promise<void> {
    this.#closing ??= this.#close(durationMs("timeout", timeout));
    await this.#closing;
  }

  async #close(timeoutMs: number): Promise<void> {
    const { context, composition } = this;
    this.#open = false;
    for (const registration of this.registry.all()) registration.end();
    const over = new AbortController();
    const cancel = context.clock.schedule(timeoutMs, () => over.abort());
    const patience = new Promise<void>((resolve) => over.signal.addEventListener("abort", () => resolve()));
    try {
      const settled = await Promise.race([this.#settled().then(() => true), patience.then(() => false)]);
      // Whoever joins later would not know what this node still owes the shared tier: without a goodbye it is made suspect.
      await this.bus?.close(settled && (context.shared?.ownOwed.length ?? 0) === 0, patience);
    } finally {
      cancel();
      this.#cancelTick?.();
      composition.epoch?.end();
      context.flights.abortAll(new WarpError("CLOSED", "this node is closed", { operation: "close" }));
      this.leases.close();
      for (const breaker of composition.breakers) breaker.end();
      composition.owned?.close();
      context.now.end();
      context.errors.end();
      this.#detachMetrics?.();
    }
    if (over.signal.aborted)
      throw new WarpError("DEADLINE_EXCEEDED", `not everything was finished within ${timeoutMs} ms`, {
        operation: "close",
      });
  }

  async #settled(): Promise<void> {
    const { flights, background, dirty } = this.context;
    await flights.landed();
    await dirty?.flushAll();
    while (background.size > 0) await Promise.all(background);
    await this.bus?.flushed();
  }

  #requireSupport({ pattern, mode, history }: RegistrationPolicy): void {
    const { store, local } = this.context;
    const missing = (what: string): WarpError =>
      new WarpError("UNSUPPORTED", `"${pattern}": ${what}`, { operation: "register" });
    if (mode === "strong-distributed") throw missing("the mode strong-distributed is not part of this version");
    if (mode === "strong-local" && local === undefined) throw missing("the mode strong-local needs a local cache");
    if (history !== undefined && store !== undefined && !keepsHistory(store.store))
      throw missing("history needs a store that keeps it (getAt)");
  }

  #raiseOverlapping(pattern: string, at: number): void {
    for (const other of this.registry.all()) if (overlaps(other.policy.pattern, pattern)) other.raise(at);
  }

  #scheduleTick(): void {
    this.#cancelTick = this.context.clock.schedule(
      heartbeatMs,
      () => {
        this.#scheduleTick();
        this.bus?.tick();
        this.leases.tick();
        this.#payOwed();
      },
      true,
    );
  }

  /** Drops what this node could not drop in the shared tier when it changed it, and tells everybody that it is done. */
  #payOwed(): void {
    const { shared, bus } = this.context;
    const keys = shared === undefined || shared.guard.state !== "closed" ? [] : shared.ownOwed;
    if (shared === undefined || keys.length === 0) return;
    inBackground(
      this.context,
      "drop",
      undefined,
      shared.drop(keys).then(() => bus?.announce(keys, true)),
    );
  }

  #drop(keys: readonly string[], sharedDropped: boolean): void {
    const { shared } = this.context;
    for (const key of keys) dropLocal(this.context, key);
    // That somebody dropped a key settles no debt: it may have been before the change that the debt is about.
    if (!sharedDropped) shared?.owe(keys, false);
  }

  #dropAll(): void {
    const { fills, local, versions, clock } = this.context;
    fills.voidAll();
    versions?.gapAll(clock.now());
    this.composition.epoch?.seek();
    if (local === undefined) return;
    for (const [key] of local.entries())
      if (this.context.resolve(key)?.isDistributed !== false) dropLocal(this.context, key);
  }
}
