import type { Bus, BusListener, NodeId } from "../ports/bus.ts";
import type { CallOptions } from "../ports/call-options.ts";
import type { Clock } from "../values/clock.ts";
import { invalid } from "../values/invalid.ts";
import { MemoryNetwork } from "./memory-network.ts";
import { copyOf, inStages, type Pause } from "./pause.ts";

export interface MemoryBusOptions {
  /** The node's own clock, where it is not the network's: what a paused or crashed process does not run. */
  readonly clock?: Clock | undefined;
  /** Latency and loss between the node and its transport, for `publish`. Default: none. */
  readonly pause?: Pause | undefined;
}

/** The bus of one node of this process; all on one `MemoryNetwork` hear each other. Ignores `CallOptions`. */
export class MemoryBus implements Bus {
  readonly portVersion = 1;
  readonly maxFrameBytes: number;
  readonly #network: MemoryNetwork;
  readonly #clock: Clock;
  readonly #pause: Pause | undefined;
  // The name it subscribed under: the sender of what it publishes. Until then it has none.
  #node: NodeId = "";

  /** @throws {WarpError} `INVALID_ARGUMENT` unless `network` is a `MemoryNetwork`. */
  constructor(network: MemoryNetwork, { clock, pause }: MemoryBusOptions = {}) {
    if (!(network instanceof MemoryNetwork)) throw invalid("network", "a MemoryNetwork", network);
    this.#network = network;
    this.#clock = clock ?? network.clock;
    this.#pause = pause;
    this.maxFrameBytes = network.maxFrameBytes;
  }

  async publish(frame: Uint8Array, to?: NodeId, _options?: CallOptions): Promise<void> {
    if (frame.length > this.maxFrameBytes)
      throw new RangeError(`a frame of ${frame.length} bytes is above the limit of ${this.maxFrameBytes}`);
    const own = copyOf(frame);
    return inStages(this.#pause, () => {
      this.#network.requireConnection(this.#node);
      this.#network.send(this.#node, own, to);
    });
  }

  async subscribe(node: NodeId, listener: BusListener, _options?: CallOptions): Promise<() => Promise<void>> {
    this.#node = node;
    // No second half: a subscription must not stay behind where this call rejected.
    await this.#pause?.("request");
    this.#network.requireConnection(node);
    const end = this.#network.subscribe(node, listener, this.#clock);
    return async () => end();
  }
}
