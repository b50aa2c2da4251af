import type { BusListener, NodeId } from "../ports/bus.ts";
import { type Clock, systemClock } from "../values/clock.ts";
import { requireMs, wholeNumber } from "../values/invalid.ts";
import { type Random, systemRandom } from "../values/random.ts";
import { copyOf } from "./pause.ts";

/** One frame on its way from one node to one other. A broadcast is one delivery for each subscriber, the sender too. */
export interface Delivery {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly frame: Uint8Array;
}

/** What goes wrong. Each is asked once for each delivery, when it is sent. */
export interface NetworkFaults {
  /** Loses it: by chance, by link (a partition, one-way too), by content. */
  drop?: ((delivery: Delivery) => boolean) | undefined;
  /** Holds it up by so many milliseconds; above 0 it leaves the order of its link, so others may overtake it. */
  delayMs?: ((delivery: Delivery) => number) | undefined;
  /** Delivers it once more, out of order. */
  duplicate?: ((delivery: Delivery) => boolean) | undefined;
}

export interface MemoryNetworkOptions {
  /** Default: the machine's. */
  readonly clock?: Clock | undefined;
  /** How late the copy of a duplicated frame comes. Default: the machine's. */
  readonly random?: Random | undefined;
  /** From sender to receiver, in milliseconds, drawn for each delivery. Default 0: as soon as possible. */
  readonly latencyMs?: number | (() => number) | undefined;
  /** See `Bus.maxFrameBytes`. Default 65 536. */
  readonly maxFrameBytes?: number | undefined;
}

interface Subscription {
  readonly node: NodeId;
  readonly listener: BusListener;
  /** The receiver's: a paused process takes no frames. */
  readonly clock: Clock;
  /** Frames in the order of each sender's link, waiting for their time. */
  readonly links: Map<NodeId, Link>;
  ended: boolean;
}

interface Link {
  readonly frames: Uint8Array[];
  /** When the last frame on the link is due: a later one is not due before it, as on one TCP connection. */
  lastDueAt: number;
}

// How much later than the original a duplicate comes, at most.
const duplicateSpreadMs = 10;

/**
 * Joins the `MemoryBus`es of one process. Frames of one sender reach one receiver in order unless a fault says
 * otherwise; nothing is delivered synchronously. Frames are copied for each receiver.
 */
export class MemoryNetwork {
  readonly clock: Clock;
  readonly maxFrameBytes: number;
  /** Read for every delivery: change it, or what is in it, at any time. */
  faults: NetworkFaults = {};
  readonly #random: Random;
  readonly #latencyMs: () => number;
  readonly #subscriptions = new Set<Subscription>();
  readonly #disconnected = new Set<NodeId>();

  /** @throws {WarpError} `INVALID_ARGUMENT` naming the option. */
  constructor(options: MemoryNetworkOptions = {}) {
    const { latencyMs = 0 } = options;
    this.clock = options.clock ?? systemClock;
    this.maxFrameBytes = wholeNumber("maxFrameBytes", options.maxFrameBytes ?? 65_536, 1);
    this.#random = options.random ?? systemRandom;
    if (typeof latencyMs === "function") this.#latencyMs = latencyMs;
    else {
      const always = requireMs("latencyMs", latencyMs);
      this.#latencyMs = () => always;
    }
  }

  /** Until `reconnect`, nothing reaches the node, and what it sends rejects. Frames on their way to it are lost. */
  disconnect(node: NodeId): void {
    this.#disconnected.add(node);
  }

  /** The node is told that it may have missed frames. Without effect if it was not disconnected. */
  reconnect(node: NodeId): void {
    if (!this.#disconnected.delete(node)) return;
    for (const subscription of this.#subscriptions) {
      if (subscription.node !== node) continue;
      subscription.clock.schedule(0, () => {
        if (!subscription.ended) subscription.listener.onGap("reconnected");
      });
    }
  }

  /** For `MemoryBus`. @throws {Error} if the node is disconnected. */
  requireConnection(node: NodeId): void {
    if (this.#disconnected.has(node)) throw new Error(`node "${node}" is disconnected from the network`);
  }

  /** For `MemoryBus`: the returned function ends the subscription. */
  subscribe(node: NodeId, listener: BusListener, clock: Clock): () => void {
    const subscription: Subscription = { node, listener, clock, links: new Map(), ended: false };
    this.#subscriptions.add(subscription);
    return () => {
      subscription.ended = true;
      this.#subscriptions.delete(subscription);
    };
  }

  /** For `MemoryBus`: starts one delivery for each subscription that `to` names. */
  send(from: NodeId, frame: Uint8Array, to: NodeId | undefined): void {
    for (const subscription of this.#subscriptions) {
      if (to !== undefined && subscription.node !== to) continue;
      const delivery: Delivery = { from, to: subscription.node, frame: copyOf(frame) };
      if (this.faults.drop?.(delivery) === true) continue;
      const lateMs = this.faults.delayMs?.(delivery) ?? 0;
      if (lateMs > 0) this.#deliverAlone(subscription, delivery.frame, this.#latencyMs() + lateMs);
      else this.#deliverInOrder(subscription, delivery);
      if (this.faults.duplicate?.(delivery) === true) {
        const spreadMs = this.#random.next() * duplicateSpreadMs;
        this.#deliverAlone(subscription, copyOf(frame), this.#latencyMs() + lateMs + spreadMs);
      }
    }
  }

  #deliverInOrder(subscription: Subscription, { from, frame }: Delivery): void {
    const now = this.clock.monotonic();
    const link = subscription.links.get(from) ?? { frames: [], lastDueAt: now };
    subscription.links.set(from, link);
    link.frames.push(frame);
    link.lastDueAt = Math.max(link.lastDueAt, now + this.#latencyMs());
    // Whichever of the link's timers fires first takes the oldest frame: timers due together may fire in any order.
    this.#arrive(subscription, link.lastDueAt - now, () => {
      if (link.frames.length === 1) subscription.links.delete(from);
      return link.frames.shift();
    });
  }

  #deliverAlone(subscription: Subscription, frame: Uint8Array, delayMs: number): void {
    this.#arrive(subscription, delayMs, () => frame);
  }

  #arrive(subscription: Subscription, delayMs: number, take: () => Uint8Array | undefined): void {
    const { clock, listener, node } = subscription;
    const hand = (): void => {
      const frame = take();
      if (frame === undefined || subscription.ended || this.#disconnected.has(node)) return;
      listener.onFrame(frame);
    };
    this.clock.schedule(delayMs, clock === this.clock ? hand : () => void clock.schedule(0, hand));
  }
}
