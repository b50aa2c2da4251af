import { WarpError } from "../errors.ts";
import type { GapReason } from "../mechanisms/bus-meters.ts";
import type { Continuity, Peers } from "../mechanisms/peers.ts";
import type { SharedEpoch } from "../mechanisms/shared-epoch.ts";
import { decodeFrame, type Frame, type FrameHeader, type SenderHeader } from "../wire/frame.ts";
import type { AttachBody, FrameBody, HeartbeatBody, LeaseBody } from "../wire/frame-body.ts";
import type { StrongBody } from "../wire/strong-body.ts";
import type { Context } from "./context.ts";
import { suspectAll } from "./suspicion.ts";

/** News of leases and of strong writes. */
export type OtherBody = LeaseBody | AttachBody | StrongBody;

/** What a node does with news that are not about the bus itself. */
export interface BusNews {
  drop(keys: readonly string[], sharedDropped: boolean): void;
  dropAll(): void;
  other(body: OtherBody, header: FrameHeader): void;
}

export interface InboundParts {
  readonly incarnation: string;
  readonly peers: Peers;
  readonly epoch: SharedEpoch | undefined;
  readonly news: BusNews;
  /** This node's own frame came back. */
  readonly onEcho: () => void;
}

const mostReported = 1_000;
const reasons: Partial<Record<Continuity, GapReason>> = { gap: "lost", "unknown-sender": "unknown-sender" };

/** What comes in from the bus: checked, put in order, and handed on. */
export class Inbound {
  readonly #context: Context;
  readonly #parts: InboundParts;
  readonly #reported: Set<string> = new Set();
  /** Of the last other node that was heard: the next frame is often from the same. */
  #likely: SenderHeader | undefined;

  constructor(context: Context, parts: InboundParts) {
    this.#context = context;
    this.#parts = parts;
  }

  /** A frame from the transport: whatever its bytes, this does not throw. */
  received(bytes: Uint8Array): void {
    const { settings, meters, clock, logger } = this.#context;
    const decoded = decodeFrame(bytes, settings.secret, this.#likely);
    if ("problem" in decoded) {
      meters.bus.framesRefused[decoded.problem]++;
      if (this.#once(`${decoded.problem}:${decoded.sender}`)) {
        logger.warn(
          { problem: decoded.problem, sender: decoded.sender, node: settings.node },
          "frames of this sender are refused",
        );
      }
      return;
    }
    const { frame } = decoded;
    if (frame.cluster !== settings.cluster) {
      meters.bus.framesRefused.cluster++;
      return;
    }
    if (frame.to !== undefined && frame.to !== settings.node) return;
    if (frame.sender === settings.node && frame.incarnation === this.#parts.incarnation) {
      this.#parts.onEcho();
      return;
    }
    if (this.#likely?.incarnation !== frame.incarnation) {
      const { cluster, sender, incarnation } = frame;
      this.#likely = { cluster, sender, incarnation, to: settings.node };
    }
    meters.bus.framesReceived++;
    meters.bus.lag.observe((clock.now() - frame.sentAt) / 1_000);
    this.#accept(frame);
  }

  #once(what: string): boolean {
    if (this.#reported.has(what) || this.#reported.size >= mostReported) return false;
    this.#reported.add(what);
    return true;
  }

  #accept(frame: Frame): void {
    const now = this.#context.clock.monotonic();
    const lastSaid = frame.bodies.find((body) => body.kind === "heartbeat" || body.kind === "goodbye");
    if (frame.number > 0 || lastSaid !== undefined) {
      this.#judge(
        this.#parts.peers.heard(frame.sender, frame.incarnation, frame.number, lastSaid?.last ?? 0, now),
        frame,
      );
    }
    for (const body of frame.bodies) this.#take(body, frame, now);
  }

  #judge(continuity: Continuity, frame?: Frame): void {
    const reason = reasons[continuity];
    if (reason !== undefined) suspectAll(this.#context, reason);
    if (continuity === "former-incarnation" && frame !== undefined) this.#twoOfOneName(frame);
    if (frame?.sender === this.#context.settings.node) this.#twoOfOneName(frame);
  }

  #twoOfOneName({ sender, incarnation, bodies }: Frame): void {
    if (!bodies.some(({ kind }) => kind === "heartbeat")) return;
    this.#context.meters.bus.framesRefused.node++;
    if (!this.#once(`node:${sender}:${incarnation}`)) return;
    const error = new WarpError(
      "INVALID_ARGUMENT",
      `two live nodes are named "${sender}": every node of a cluster needs a name of its own`,
      { operation: "subscribe", port: "bus" },
    );
    this.#context.logger.error({ err: error, node: this.#context.settings.node }, "two live nodes have one name");
    this.#context.errors.add(error, { operation: "subscribe" });
  }

  #take(body: FrameBody, frame: Frame, now: number): void {
    const { news } = this.#parts;
    switch (body.kind) {
      case "drop":
        news.drop(body.keys, body.sharedDropped);
        break;
      case "drop-all":
        suspectAll(this.#context, "drop-all");
        news.dropAll();
        break;
      case "heartbeat":
        this.#heard(body, now);
        break;
      case "goodbye":
        this.#parts.peers.left(frame.incarnation, now);
        break;
      default:
        news.other(body, frame);
    }
  }

  #heard({ heard, epoch, departed = [] }: HeartbeatBody, now: number): void {
    const { settings, meters } = this.#context;
    meters.bus.heartbeatsReceived++;
    if (epoch !== undefined) this.#parts.epoch?.named(epoch);
    for (const report of heard) if (report.node !== settings.node) this.#judge(this.#parts.peers.reported(report, now));
    for (const report of departed) this.#judge(this.#parts.peers.reportedLeft(report));
  }
}
