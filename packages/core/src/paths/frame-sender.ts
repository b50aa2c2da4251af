import { WarpError } from "../errors.ts";
import type { Guard, GuardedCall } from "../mechanisms/guard.ts";
import type { Bus, NodeId } from "../ports/bus.ts";
import { longestKeyBytes } from "../values/pattern.ts";
import { encodeFrame, type Frame, frameOverheadBytes } from "../wire/frame.ts";
import { bodyBytes, dropOverheadBytes, type FrameBody, inFrames } from "../wire/frame-body.ts";
import type { Context } from "./context.ts";

/** The largest piece of news, beside the two drops that keys are sorted into. */
const leastRoomBytes =
  bodyBytes({ kind: "attach", lease: "x".repeat(64), key: "x".repeat(longestKeyBytes) }) + 2 * dropOverheadBytes;
const longestName = "x".repeat(128);
const publishing: GuardedCall = { operation: "publish" };

/** Makes frames of this node and hands them to the bus. */
export class FrameSender {
  /** Of this life of the node. */
  readonly incarnation: string;
  /** Room for bodies in one frame to one node or to all, in bytes. */
  readonly roomBytes: number;
  readonly #context: Context;
  readonly #bus: Bus;
  readonly #guard: Guard;
  readonly #onSent: () => void;

  /** @throws {WarpError} `UNSUPPORTED` for a bus that has no room for the longest key. */
  constructor(context: Context, bus: Bus, guard: Guard, onSent: () => void) {
    this.#context = context;
    this.#bus = bus;
    this.#guard = guard;
    this.#onSent = onSent;
    this.incarnation = context.random.id();
    const longest = this.#frame(Number.MAX_SAFE_INTEGER, [], longestName);
    const overheadBytes = frameOverheadBytes(longest, context.settings.secret !== undefined);
    const leastBytes = overheadBytes + leastRoomBytes;
    if (bus.maxFrameBytes < leastBytes) {
      throw new WarpError(
        "UNSUPPORTED",
        `bus.maxFrameBytes must be at least ${leastBytes}, for the longest key; got ${bus.maxFrameBytes}`,
      );
    }
    this.roomBytes = bus.maxFrameBytes - overheadBytes;
  }

  /** One frame. @param number 0 for what is not counted. @param to One node. @throws What the bus rejects with. */
  send(number: number, bodies: readonly FrameBody[], to?: NodeId): Promise<void> {
    const { settings, meters } = this.#context;
    return this.#guard
      .call(publishing, (call) =>
        this.#bus.publish(encodeFrame(this.#frame(number, bodies, to), settings.secret), to, call),
      )
      .then(
        () => this.#sent(bodies),
        (error: unknown) => {
          meters.bus.framesFailed++;
          throw error;
        },
      );
  }

  /** What is not counted, in as many frames as it takes. */
  sendAll(bodies: readonly FrameBody[], to?: NodeId): Promise<void> {
    const frames = inFrames(bodies, this.roomBytes);
    if (frames.length === 1) return this.send(0, bodies, to);
    return Promise.all(frames.map((some) => this.send(0, some, to))).then(() => undefined);
  }

  #sent(bodies: readonly FrameBody[]): void {
    const { meters } = this.#context;
    this.#onSent();
    meters.bus.framesSent++;
    for (const body of bodies) {
      if (body.kind === "drop") meters.bus.keysSent += body.keys.length;
      else if (body.kind === "drop-all") meters.bus.dropAllsSent++;
    }
  }

  #frame(number: number, bodies: readonly FrameBody[], to?: NodeId): Frame {
    const { settings, clock } = this.#context;
    const { cluster, node: sender } = settings;
    return { cluster, sender, incarnation: this.incarnation, number, to, sentAt: clock.now(), bodies };
  }
}
