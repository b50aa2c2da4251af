import type { Guard } from "../mechanisms/guard.ts";
import { Outbox } from "../mechanisms/outbox.ts";
import { Peers } from "../mechanisms/peers.ts";
import { backoffMs } from "../mechanisms/retry.ts";
import type { SharedEpoch } from "../mechanisms/shared-epoch.ts";
import type { Bus, BusListener, NodeId } from "../ports/bus.ts";
import { delay } from "../values/clock.ts";
import { bodyBytes, type FrameBody } from "../wire/frame-body.ts";
import type { Announcer, Context } from "./context.ts";
import { FrameSender } from "./frame-sender.ts";
import { type BusNews, Inbound } from "./inbound.ts";
import { suspectAll } from "./suspicion.ts";

/** How often a node says that it lives, in milliseconds. */
export const heartbeatMs = 1_000;
/** A node unheard for so long may have died between its commit and its publish. */
const vanishAfterMs = 5 * heartbeatMs;
/** A node that has not heard itself for so long has no bus. */
const deafAfterMs = 2.5 * heartbeatMs;
const mostWaitingKeys = 10_000;
const pauses = { firstMs: 50, longestMs: 2_000 };

export interface BusSideParts {
  readonly bus: Bus;
  readonly guard: Guard;
  readonly epoch: SharedEpoch | undefined;
  readonly news: BusNews;
  /** Told when the nodes that are heard may have changed. */
  readonly onNodes: () => void;
}

/**
 * A node's end of the bus: what it has to tell, whom it hears, and whether it hears at all. States: joining, until the
 * subscription is live; hearing; deaf, when not even its own frames come back; closed.
 */
export class BusSide implements Announcer {
  readonly peers: Peers;
  readonly #context: Context;
  readonly #parts: BusSideParts;
  readonly #sender: FrameSender;
  readonly #outbox: Outbox;
  readonly #inbound: Inbound;
  #unsubscribe: (() => Promise<void>) | undefined;
  #heardItselfAt = Number.NEGATIVE_INFINITY;
  #deaf = true;
  #closed = false;
  #failing = false;
  readonly #live: Promise<void>;

  constructor(context: Context, parts: BusSideParts) {
    const { clock, random, settings } = context;
    this.#context = context;
    this.#parts = parts;
    this.#sender = new FrameSender(context, parts.bus, parts.guard, () => {
      this.#failing = false;
    });
    this.peers = new Peers(vanishAfterMs, settings.memberTimeoutMs, parts.onNodes);
    this.#outbox = new Outbox({
      clock,
      random,
      roomBytes: this.roomBytes,
      mostKeys: mostWaitingKeys,
      send: (number, bodies) => this.#sender.send(number, bodies),
      onFailure: (error) => this.#failed(error),
      onForgotten: () => parts.epoch?.renew(),
    });
    this.#inbound = new Inbound(context, {
      ...parts,
      incarnation: this.#sender.incarnation,
      peers: this.peers,
      onEcho: () => this.#hearsItself(),
    });
    // In a later turn: a constructor does no I/O.
    this.#live = Promise.resolve().then(() => this.#join());
  }

  /** Resolves once this node hears the bus. */
  get live(): Promise<void> {
    return this.#live;
  }

  /** Room for bodies in one frame to one node or to all, in bytes. */
  get roomBytes(): number {
    return this.#sender.roomBytes;
  }

  /** Whether not even this node's own frames come back. */
  get deaf(): boolean {
    return this.#deaf;
  }

  /** Whether the transport refused the last frame. */
  get lags(): boolean {
    return this.#outbox.isRetrying;
  }

  /** News that no transport has taken yet. */
  get depth(): number {
    return this.#outbox.depth;
  }

  announce(keys: readonly string[], sharedDropped: boolean): void {
    this.#outbox.add(keys, sharedDropped);
  }

  announceAll(): void {
    this.#outbox.addDropAll();
  }

  announceOther(body: FrameBody): void {
    this.#outbox.addOther(body);
  }

  /** Nodes that were heard of, by whomever, this one among them. */
  get members(): number {
    return this.peers.members + 1;
  }

  /** Sends what is not counted, now, with or beside whatever else is being sent. @param to One node. */
  tell(bodies: readonly FrameBody[], to?: NodeId): Promise<void> {
    const riding = to === undefined ? this.#outbox.ride(bodies) : undefined;
    if (riding === undefined) return this.#sender.sendAll(bodies, to);
    return riding.then((taken) => (taken ? undefined : this.#sender.sendAll(bodies, to)));
  }

  flushed(): Promise<void> {
    return this.#outbox.drained();
  }

  /** Once per heartbeat: says that this node lives, and draws conclusions from who was not heard. */
  tick(): void {
    if (this.#closed) return;
    const now = this.#context.clock.monotonic();
    this.#judgeHearing(now);
    if (!this.#deaf) for (const node of this.peers.vanished(now)) this.#vanished(node);
    if (this.#unsubscribe !== undefined) this.#outbox.addUrgent(() => this.#heartbeat());
  }

  /**
   * Leaves, with a goodbye if everything was told.
   * @param settled Whether nothing else is under way that will have to be told. @param patience Resolves when time is up.
   */
  async close(settled: boolean, patience: Promise<void>): Promise<void> {
    this.#closed = true;
    await Promise.race([this.#outbox.drained(), patience]);
    if (settled && this.#outbox.depth === 0 && this.#unsubscribe !== undefined) {
      const goodbye = this.#sender.send(0, [{ kind: "goodbye", last: this.#outbox.last }]);
      await Promise.race([goodbye, patience]).catch((error: unknown) => this.#failed(error));
    }
    this.#outbox.end();
    await Promise.race([this.#unsubscribe?.(), patience]).catch((error: unknown) => this.#failed(error));
  }

  async #join(): Promise<void> {
    const { clock, random } = this.#context;
    const listener = { onFrame: (bytes: Uint8Array) => this.#inbound.received(bytes), onGap: () => this.#missed() };
    for (let attempt = 0; !this.#closed; attempt++) {
      try {
        const unsubscribe = await this.#subscribe(listener);
        if (this.#closed) return await unsubscribe();
        this.#unsubscribe = unsubscribe;
        this.#heardItselfAt = clock.monotonic();
        this.#hears();
        this.tick();
        return;
      } catch (error) {
        this.#failed(error);
        await delay(clock, backoffMs(attempt, random, pauses), true);
      }
    }
  }

  async #subscribe(listener: BusListener): Promise<() => Promise<void>> {
    const { bus, guard } = this.#parts;
    let isAwaited = true;
    try {
      return await guard.call({ operation: "subscribe" }, async (call) => {
        const unsubscribe = await bus.subscribe(this.#context.settings.node, listener, call);
        // It came after the deadline: there is, or will be, another one.
        if (!isAwaited) await unsubscribe();
        return unsubscribe;
      });
    } finally {
      isAwaited = false;
    }
  }

  async #heartbeat(): Promise<void> {
    const epoch = this.#parts.epoch?.trusted;
    const departed = this.peers.reportDeparted(this.#context.clock.monotonic());
    const heartbeat = { kind: "heartbeat", last: this.#outbox.last, epoch } as const;
    const room = this.roomBytes;
    // What does not fit is left out: each node hears most of its peers by itself.
    let heard = this.peers.report();
    while (heard.length > 0 && bodyBytes({ ...heartbeat, heard }) > room / 2) heard = heard.slice(0, heard.length >> 1);
    const body = { ...heartbeat, heard };
    const full = { ...body, departed };
    await this.#sender.send(0, [departed.length === 0 || bodyBytes(full) > room ? body : full]);
    this.#context.meters.bus.heartbeatsSent++;
  }

  #failed(error: unknown): void {
    const { logger, errors, settings } = this.#context;
    // Once, until it works again: an outage is one event, however many frames it costs.
    if (!this.#failing) logger.warn({ err: error, node: settings.node }, "the bus failed");
    this.#failing = true;
    errors.add(error, { operation: "publish" });
  }

  /** The transport itself says that frames may be lost. */
  #missed(): void {
    suspectAll(this.#context, "transport");
    this.#outbox.wake();
  }

  #judgeHearing(now: number): void {
    if (now - this.#heardItselfAt <= deafAfterMs) return;
    this.peers.excuse(now);
    const { whileDeaf } = this.#context.settings;
    if (!this.#deaf)
      this.#context.logger.warn({ node: this.#context.settings.node }, "this node does not hear the bus");
    this.#deaf = true;
    if (whileDeaf === "revalidate") suspectAll(this.#context, "deaf");
    if (whileDeaf === "bypass")
      for (const registration of this.#context.registrations()) if (registration.isDistributed) registration.suspend();
  }

  #hearsItself(): void {
    if (this.#closed) return;
    this.#heardItselfAt = this.#context.clock.monotonic();
    this.#hears();
  }

  /** This node hears again: what was said meanwhile is lost. */
  #hears(): void {
    if (!this.#deaf) return;
    this.#deaf = false;
    for (const registration of this.#context.registrations()) registration.resume();
    suspectAll(this.#context, "deaf");
    this.peers.excuse(this.#context.clock.monotonic());
    this.#outbox.wake();
  }

  #vanished(node: string): void {
    const { store, clock, logger } = this.#context;
    logger.warn({ peer: node, node: this.#context.settings.node }, "a node vanished without a goodbye");
    const act = (): void => {
      suspectAll(this.#context, "vanished");
      this.#parts.epoch?.renew();
    };
    act();
    // A commit it sent may still land; nobody will tell.
    if (store !== undefined && store.store.landsWithinMs > 0)
      clock.schedule(store.store.landsWithinMs, () => !this.#closed && act(), true);
  }
}
