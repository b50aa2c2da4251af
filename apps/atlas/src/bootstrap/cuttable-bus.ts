import type { Bus, BusListener, CallOptions, NodeId } from "@warp/core";

/** A bus whose connection can be cut and joined again, as a switch would: what is sent meanwhile is refused or lost. */
export class CuttableBus implements Bus {
  readonly portVersion = 1;
  readonly maxFrameBytes: number;
  readonly #bus: Bus;
  #listener: BusListener | undefined;
  #cut = false;

  constructor(bus: Bus) {
    this.#bus = bus;
    this.maxFrameBytes = bus.maxFrameBytes;
  }

  cut(): void {
    this.#cut = true;
  }

  /** The node is told what any client that lost its connection tells it. */
  join(): void {
    if (!this.#cut) return;
    this.#cut = false;
    this.#listener?.onGap("reconnected");
  }

  async publish(frame: Uint8Array, to?: NodeId, options?: CallOptions): Promise<void> {
    if (this.#cut) throw new Error("the bus is cut");
    await this.#bus.publish(frame, to, options);
  }

  subscribe(node: NodeId, listener: BusListener, options?: CallOptions): Promise<() => Promise<void>> {
    this.#listener = listener;
    const onFrame = (frame: Uint8Array): void => {
      if (!this.#cut) listener.onFrame(frame);
    };
    return this.#bus.subscribe(node, { onFrame, onGap: (reason) => listener.onGap(reason) }, options);
  }
}
