import { WarpError } from "../errors.ts";
import { Batcher } from "../mechanisms/batcher.ts";
import { largestQuorum, Quorum } from "../mechanisms/quorum.ts";
import { TransientMap } from "../mechanisms/transient-map.ts";
import { waitFor, within } from "../mechanisms/wait.ts";
import type { NodeId } from "../ports/bus.ts";
import type { OperationId } from "../values/entry.ts";
import type { FrameHeader } from "../wire/frame.ts";
import { bodyBytes, dropKeyBytes } from "../wire/frame-body.ts";
import type { AcknowledgeBody, CommitBody, PrepareBody, StrongBody } from "../wire/strong-body.ts";
import type { Announcement, Consents, Context } from "./context.ts";
import { dropLocal } from "./tiers.ts";

/** What strong writes need of the bus side. */
export interface StrongBus {
  /** Whether not even this node's own frames come back. */
  readonly deaf: boolean;
  /** Resolves once this node hears the bus. */
  readonly live: Promise<void>;
  /** Nodes that this node has heard of, itself among them. */
  readonly members: number;
  /** Room for bodies in one frame, in bytes. */
  readonly roomBytes: number;
  /** Sends frames that nobody counts, now. @param to One node. @throws {WarpError} If no transport took them. */
  tell(bodies: readonly StrongBody[], to?: NodeId): Promise<void>;
  /** Queues news that is counted, and sent until the transport has taken it. */
  announceOther(body: StrongBody): void;
}

interface Message {
  readonly to: NodeId | undefined;
  readonly body: StrongBody;
}

/** Beside the deadlines that a fence outlasts, in milliseconds. */
const marginMs = 1_000;
/** Whatever a frame says. */
const longestFenceMs = 600_000;
/** An announcement that was not answered is made so many times before its deadline. */
const announcements = 4;
const mostMessagesPerTurn = 100_000;
const mostReported = 1_000;

/**
 * A node's part in strong writes, its own and others': announces what it is about to change and counts who has let go
 * of it; lets go of what others announce, says so, and hears what came of it. The bus makes caches forget in time, and
 * refuses the writes of a node that lost its peers. That reads are right does not hang on it.
 */
export class StrongSide implements Consents {
  readonly fenceMs: number;
  readonly #context: Context;
  readonly #bus: StrongBus;
  readonly #drop: (keys: readonly string[], sharedDropped: boolean) => void;
  readonly #rounds: TransientMap<Quorum> = new TransientMap();
  readonly #messages: Batcher<Message, undefined>;
  readonly #reported: Set<string> = new Set();

  /** @param drop What a frame that drops keys does. */
  constructor(context: Context, bus: StrongBus, drop: (keys: readonly string[], sharedDropped: boolean) => void) {
    const { quorumDeadlineMs, storeDeadlineMs } = context.settings;
    this.#context = context;
    this.#bus = bus;
    this.#drop = drop;
    this.fenceMs = Math.ceil(quorumDeadlineMs + storeDeadlineMs + marginMs);
    this.#messages = new Batcher((messages) => this.#sendAll(messages), mostMessagesPerTurn);
  }

  /** Operations whose quorum is waited for. */
  get waiting(): number {
    return this.#rounds.size;
  }

  async prepare(announcement: Announcement): Promise<void> {
    const { operation, keys, rules } = announcement;
    const { settings, clock, meters } = this.#context;
    const began = clock.monotonic();
    if (this.#bus.deaf) await this.#requireBus(announcement);
    const parts = partsOf(keys, this.#bus.roomBytes);
    const required = largestQuorum(rules, this.#bus.members);
    const quorum = new Quorum(required, parts.length, settings.node, settings.zone);
    const { fenceMs } = this;
    const bodies = parts.map((some, part): PrepareBody => ({ kind: "prepare", operation, part, fenceMs, keys: some }));
    this.#rounds.set(operation, quorum);
    try {
      await this.#gather(announcement, quorum, bodies, began + settings.quorumDeadlineMs);
      meters.strong.quorumWait.observe((clock.monotonic() - began) / 1_000);
    } catch (error) {
      meters.strong.quorumsRefused++;
      throw error;
    } finally {
      if (this.#rounds.get(operation) === quorum) this.#rounds.delete(operation);
    }
  }

  committed(operation: OperationId, keys: readonly string[], sharedDropped: boolean): void {
    for (const some of partsOf(keys, this.#bus.roomBytes))
      this.#bus.announceOther({ kind: "commit", operation, keys: some, sharedDropped });
  }

  aborted(operation: OperationId): void {
    this.#tell({ kind: "abort", operation });
  }

  onFrame(body: StrongBody, { sender }: FrameHeader): void {
    switch (body.kind) {
      case "prepare":
        this.#prepared(body, sender);
        break;
      case "acknowledge":
        this.#acknowledged(body, sender);
        break;
      case "commit":
        this.#onCommit(body);
        break;
      case "abort":
        this.#context.fences.finish(body.operation, 2 * this.fenceMs);
        break;
    }
  }

  /** @throws {WarpError} `UNAVAILABLE` where this node cannot hear. */
  async #requireBus({ call, key }: Announcement): Promise<void> {
    const { clock, settings } = this.#context;
    const details = { operation: call, port: "bus", key } as const;
    // A node that has just started is about to hear; one that has lost the bus has not.
    await waitFor(clock, this.#bus.live, { timeoutMs: settings.quorumDeadlineMs, details }).catch(() => undefined);
    if (this.#bus.deaf) throw new WarpError("UNAVAILABLE", "this node does not hear the bus", details);
  }

  async #gather(
    announcement: Announcement,
    quorum: Quorum,
    bodies: readonly PrepareBody[],
    endsAt: number,
  ): Promise<void> {
    const { clock, settings } = this.#context;
    let latest = 0;
    for (let round = 0; ; round++) {
      latest = round;
      const failed = (cause: unknown): void => {
        // What became of an announcement that was made again says nothing any more.
        if (round === latest) quorum.fail(this.#noBus(announcement, cause));
      };
      for (const body of bodies) this.#messages.add({ to: undefined, body }).catch(failed);
      // One node alone is quorum enough: the others are told, and not waited for.
      if (quorum.isSatisfied) return;
      const patienceMs = Math.min(settings.quorumDeadlineMs / announcements, endsAt - clock.monotonic());
      await within(clock, quorum.satisfied, Math.max(0, patienceMs));
      quorum.require(largestQuorum(announcement.rules, this.#bus.members));
      if (quorum.isSatisfied) return;
      if (clock.monotonic() >= endsAt || !announcement.isWanted()) throw refusal(announcement, quorum);
    }
  }

  #noBus({ call, key }: Announcement, cause: unknown): WarpError {
    const message = "the write could not be announced: the bus did not take it";
    return new WarpError("UNAVAILABLE", message, { operation: call, port: "bus", key, cause });
  }

  #tell(body: StrongBody, to?: NodeId): void {
    this.#messages.add({ to, body }).catch((error: unknown) => {
      // Whoever misses an answer asks again, whoever misses an outcome waits for the fence to end.
      this.#context.logger.debug({ err: error, node: this.#context.settings.node }, "a strong frame was not sent");
    });
  }

  /** One frame for all that goes to the same place. */
  #sendAll(messages: readonly Message[]): Promise<readonly undefined[]> {
    const [first] = messages;
    if (first !== undefined && messages.length === 1) return this.#bus.tell([first.body], first.to).then(() => []);
    const byPlace = new Map<NodeId | undefined, StrongBody[]>();
    for (const { to, body } of messages) {
      const bodies = byPlace.get(to);
      if (bodies === undefined) byPlace.set(to, [body]);
      else bodies.push(body);
    }
    return Promise.all([...byPlace].map(([to, bodies]) => this.#bus.tell(bodies, to))).then(() => []);
  }

  #prepared({ operation, part, fenceMs, keys }: PrepareBody, sender: NodeId): void {
    const { fences, meters, settings } = this.#context;
    // First: what is dropped must not come back before the outcome is known.
    if (!fences.raise(operation, keys, Math.min(fenceMs, longestFenceMs))) return;
    let mismatch = false;
    for (const key of keys) {
      const mode = this.#context.resolve(key)?.policy.mode;
      if (mode !== undefined && mode !== "strong-distributed") {
        mismatch = true;
        this.#report(`${sender} writes "${key}" as strong-distributed; here it is ${mode}`);
      }
      try {
        dropLocal(this.#context, key);
      } catch (error) {
        // Who may still hold a copy has nothing to acknowledge.
        this.#context.errors.add(error, { operation: "drop", key });
        return;
      }
    }
    if (mismatch) meters.strong.mismatchesFound++;
    meters.strong.acknowledgementsSent++;
    this.#tell({ kind: "acknowledge", operation, part, mismatch, zone: settings.zone }, sender);
  }

  #acknowledged({ operation, part, mismatch, zone }: AcknowledgeBody, sender: NodeId): void {
    const { meters } = this.#context;
    meters.strong.acknowledgementsReceived++;
    const quorum = this.#rounds.get(operation);
    if (quorum === undefined) return;
    if (!mismatch) {
      quorum.acknowledge(sender, part, zone);
      return;
    }
    meters.strong.mismatchesHeard++;
    quorum.mismatch(sender);
    this.#report(`${sender} keeps keys otherwise that this node writes as strong-distributed: it does not count`);
  }

  #onCommit({ operation, keys, sharedDropped }: CommitBody): void {
    this.#context.fences.finish(operation, 2 * this.fenceMs, keys);
    this.#drop(keys, sharedDropped);
  }

  /** Once for each: a registration that differs is one mistake, however many writes meet it. */
  #report(what: string): void {
    if (this.#reported.has(what) || this.#reported.size >= mostReported) return;
    this.#reported.add(what);
    this.#context.logger.warn({ node: this.#context.settings.node }, what);
  }
}

const refusal = ({ call, key }: Announcement, quorum: Quorum): WarpError => {
  const { required, acknowledged, requiredZones, zones, mismatched } = quorum;
  const inZones = requiredZones > 1 ? ` in ${zones} of ${requiredZones} zones` : "";
  const others = mismatched.length === 0 ? "" : `; ${mismatched.join(", ")} registered the key otherwise`;
  return new WarpError(
    "QUORUM_NOT_SATISFIED",
    `${acknowledged} of ${required} nodes acknowledged in time${inZones}${others}; nothing was written`,
    { operation: call, key, required, acknowledged },
  );
};

/** What a body takes beside its keys. */
const overheadBytes = bodyBytes({ kind: "commit", operation: "x".repeat(22), keys: [], sharedDropped: true });

/** `keys` in as many pieces as frames need. */
const partsOf = (keys: readonly string[], roomBytes: number): readonly (readonly string[])[] => {
  if (keys.length === 1) return [keys];
  const parts: string[][] = [];
  let left = 0;
  for (const key of keys) {
    const bytes = dropKeyBytes(key);
    if (left < bytes || parts.length === 0) {
      parts.push([]);
      left = roomBytes - overheadBytes;
    }
    left -= bytes;
    parts[parts.length - 1]?.push(key);
  }
  return parts;
};
