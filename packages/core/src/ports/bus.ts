import type { CallOptions } from "./call-options.ts";

/** Names a node within its cluster. */
export type NodeId = string;

/** What a subscriber is told. Neither function throws. */
export interface BusListener {
  /** A frame, whole, in the order the transport has it. May come twice, late, or not at all. The bytes are the listener's. */
  onFrame(frame: Uint8Array): void;
  /** Frames may have been missed: reconnected, slow consumer, server restarted. */
  onGap(reason: string): void;
}

/** Broadcasts small frames between nodes. Core numbers, splits, batches, retries and signs them: an adapter sees bytes. */
export interface Bus {
  readonly portVersion: 1;
  /** The largest frame that `publish` takes, in bytes. */
  readonly maxFrameBytes: number;
  /**
   * Hands a frame to the transport; resolves once that has taken it, rejects if it cannot say so. Of a frame to one node
   * it need not know: whoever misses the answer asks again.
   * @param frame A view on memory that others use too (mind its `byteOffset`), and the caller's again afterwards.
   * @param to A hint: an adapter that cannot address one node may broadcast, and core drops what is not addressed to it.
   */
  publish(frame: Uint8Array, to?: NodeId, options?: CallOptions): Promise<void>;
  /**
   * Resolves once a frame published after it is certain to arrive. A node also hears its own broadcasts: that is how it
   * knows that it can hear. The function it resolves to ends the subscription.
   */
  subscribe(node: NodeId, listener: BusListener, options?: CallOptions): Promise<() => Promise<void>>;
}
