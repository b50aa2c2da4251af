import { type Composition, compose } from "./compose.ts";
import { WarpError } from "./errors.ts";
import { waitFor } from "./mechanisms/wait.ts";
import { NodeWatch } from "./node-watch.ts";
import type { WarpOptions } from "./options.ts";
import { BusSide, heartbeatMs } from "./paths/bus-side.ts";
import { FeedSide } from "./paths/change-feed.ts";
import { type Context, requireOpen } from "./paths/context.ts";
import { busNews } from "./paths/heard.ts";
import type { OtherBody } from "./paths/inbound.ts";
import { Leases } from "./paths/lease.ts";
import { payOwed } from "./paths/shared-changes.ts";
import { StrongSide } from "./paths/strong-side.ts";
import { WriteBehind } from "./paths/write-behind.ts";
import type { LocalCache } from "./ports/local-cache.ts";
import { provideMetrics } from "./provide-metrics.ts";
import { Registrations } from "./registrations.ts";
import { Registry } from "./registry.ts";
import { type NodeStatus, statusOf } from "./status.ts";
import type { Cancel } from "./values/clock.ts";
import type { Entry } from "./values/entry.ts";
import type { FrameHeader } from "./wire/frame.ts";

/** The local tier as the fast path of a read sees it. */
export type Hits = Pick<LocalCache, "get">;

const noEntries: Hits = { get: () => undefined };
const mostRounds = 16;

/** The life of a node: its parts, its heartbeat, what is registered, and its end. */
export class Node {
  readonly context: Context;
  readonly composition: Composition;
  readonly registrations: Registrations;
  readonly bus: BusSide | undefined;
  readonly leases: Leases;
  readonly watch: NodeWatch;
  readonly #feed: FeedSide | undefined;
  readonly #writeBehind: WriteBehind | undefined;
  readonly #detachMetrics: Cancel | undefined;
  #cancelTick: Cancel | undefined;
  #open = true;
  #closing: Promise<void> | undefined;
  #ready: Promise<void> | undefined;
  #end: () => void = () => undefined;
  readonly #closed: Promise<void> = new Promise((resolve) => {
    this.#end = resolve;
  });

  constructor(options: WarpOptions) {
    const registry = new Registry();
    const composition = compose(options, registry, () => this.#open);
    const { context, epoch, busGuard } = composition;
    this.watch = new NodeWatch(
      () => this.nodes(),
      context.errors,
      () => requireOpen(context, "onNodesChanged"),
    );
    this.composition = composition;
    this.context = context;
    if (context.store !== undefined && context.local !== undefined) {
      this.#writeBehind = new WriteBehind(context, context.store);
      context.dirty = this.#writeBehind;
    }
    if (options.bus !== undefined && busGuard !== undefined) {
      const news = busNews(context, (body, header) => this.#onNews(body, header));
      const onNodes = (): void => this.watch.look();
      this.bus = new BusSide(context, { bus: options.bus, guard: busGuard, epoch, news, onNodes });
      context.bus = this.bus;
      context.strong = new StrongSide(context, this.bus, (keys, sharedDropped) => news.drop(keys, sharedDropped));
    }
    this.registrations = new Registrations(context, registry, options, this.bus);
    this.#feed = options.changeFeed === undefined ? undefined : new FeedSide(context, options.changeFeed);
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
      () => this.#feed?.isLive === false,
    );
    if (this.bus !== undefined || context.shared !== undefined || context.store !== undefined) this.#scheduleTick();
  }

  get entries(): Hits {
    return this.composition.entries ?? noEntries;
  }

  /** @throws {WarpError} `CLOSED` if the node was closed before it heard the bus and the change feed. */
  async ready(): Promise<void> {
    // One race for all: each leaves its traces on a promise that lives as long as the node.
    this.#ready ??= Promise.race([this.#live(), this.#closed]).then(() => {});
    await this.#ready;
    requireOpen(this.context, "ready");
  }

  async #live(): Promise<void> {
    const { store, local, epochs } = this.context;
    await Promise.all([this.bus?.live, this.#feed?.ready()]);
    // Where nothing else keeps values, the shared tier is to be of use.
    if (store === undefined && local === undefined) await epochs?.sought();
  }

  status(): NodeStatus {
    return statusOf(this.composition, { bus: this.bus, feed: this.#feed }, this.#counts());
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

  #onNews(body: OtherBody, header: FrameHeader): void {
    if (body.kind === "lease" || body.kind === "attach") this.leases.onFrame(body, header.sentAt);
    else this.context.strong?.onFrame(body, header);
  }

  /** A hit, with its time. */
  timeHit(operation: string, entry: Entry): Promise<unknown> {
    const { clock, meters } = this.context;
    const began = clock.monotonic();
    const answer = Promise.resolve(entry.value);
    meters.latency(operation, "hit").observe((clock.monotonic() - began) / 1_000);
    return answer;
  }

  /**
   * Runs a call in a span and counts how long it takes, by outcome. What it throws at once rejects too.
   * @param finish Makes of the result what the caller is told, which may be that there is none: no failure of the call.
   */
  async timed(operation: string, run: () => unknown, finish?: (result: unknown) => unknown): Promise<unknown> {
    const { clock, meters, tracer, settings } = this.context;
    const span = tracer?.startSpan(`warp.${operation}`, { node: settings.node });
    const began = clock.monotonic();
    let result: unknown;
    let outcome = "error";
    try {
      result = await run();
      outcome = "ok";
      span?.end();
    } catch (error) {
      span?.end(error);
      throw error;
    } finally {
      meters.latency(operation, outcome).observe((clock.monotonic() - began) / 1_000);
    }
    return finish === undefined ? result : finish(result);
  }

  /** Resolves once the store and the transport have everything. @throws {WarpError} `DEADLINE_EXCEEDED`. */
  async flush(timeoutMs: number): Promise<void> {
    requireOpen(this.context, "flush");
    await waitFor(this.context.clock, this.#written(), { timeoutMs, details: { operation: "flush" } });
  }

  /** @throws {WarpError} `DEADLINE_EXCEEDED` if something could not be finished in time: it is closed all the same. */
  async close(timeoutMs: number): Promise<void> {
    this.#closing ??= this.#close(timeoutMs);
    await this.#closing;
  }

  async #close(timeoutMs: number): Promise<void> {
    const { context, composition } = this;
    this.#open = false;
    this.#end();
    for (const registration of this.context.registrations()) registration.end();
    const over = new AbortController();
    const cancel = context.clock.schedule(timeoutMs, () => over.abort());
    const patience = new Promise<void>((resolve) => over.signal.addEventListener("abort", () => resolve()));
    // First: what it tells from here on concerns nobody.
    const unwatched = this.#feed?.close(patience);
    // Whoever waits for a lock is told now, as long as this node has a clock.
    context.lockBook.waiters.wakeAll();
    try {
      const settled = await Promise.race([this.#finished().then(() => true), patience.then(() => false)]);
      // Whoever joins later would not know what this node still owes the shared tier: without a goodbye it is made suspect.
      await this.bus?.close(settled && (context.shared?.ownOwed.length ?? 0) === 0, patience);
      await unwatched;
    } finally {
      cancel();
      this.#cancelTick?.();
      composition.epoch?.end();
      context.flights.abortAll(new WarpError("CLOSED", "this node is closed", { operation: "close" }));
      this.leases.close();
      this.watch.end();
      context.lockBook.close();
      for (const breaker of composition.breakers) breaker.end();
      composition.owned?.close();
      context.now.end();
      composition.clock.end();
      context.errors.end();
      this.#detachMetrics?.();
    }
    if (over.signal.aborted)
      throw new WarpError("DEADLINE_EXCEEDED", `not everything was finished within ${timeoutMs} ms`, {
        operation: "close",
      });
  }

  /** What is under way has ended, and what waits for the store and the bus is there. */
  async #settled(): Promise<void> {
    await this.context.flights.landed();
    await this.#written();
  }

  async #written(): Promise<void> {
    const { background, dirty } = this.context;
    await dirty?.flushAll();
    // What is under way may set off more; but where others go on calling, something always is.
    for (let round = 0; round < mostRounds && background.size > 0; round++) await background.settled();
    await this.bus?.flushed();
  }

  /** As `#settled`, and what that set off as well: for a node that nobody calls any more. */
  async #finished(): Promise<void> {
    const { background, dirty } = this.context;
    do await this.#settled();
    while (background.size > 0 || (dirty?.depth ?? 0) > 0);
  }

  #scheduleTick(): void {
    this.#cancelTick = this.context.clock.schedule(
      heartbeatMs,
      () => {
        this.#scheduleTick();
        this.bus?.tick();
        this.leases.tick();
        this.context.fences.sweep();
        payOwed(this.context);
      },
      true,
    );
  }
}
