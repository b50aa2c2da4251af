import type { NodeId } from "../ports/bus.ts";
import type { Heard } from "../wire/frame-body.ts";

/** One incarnation of a node: a process, or what one was between two starts of Warp. */
interface Peer {
  readonly node: NodeId;
  readonly incarnation: string;
  /** Every broadcast up to this number was heard, or its loss was noticed. */
  last: number;
  /** Monotonic. By itself, or by those who hear it where this node does not. */
  heardAt: number;
  /** Only others hear it. */
  hearsay: boolean;
  vanished: boolean;
}

/** A goodbye that this node itself heard. */
interface Departure {
  readonly heard: Heard;
  /** Monotonic. */
  readonly at: number;
}

/** What a piece of news from or about a sender means. */
export type Continuity = "expected" | "repeated" | "gap" | "unknown-sender" | "former-incarnation";

const mostDeparted = 256;

/**
 * Who is there, and up to where each was heard. Decides whether a frame continues what was heard before (rule 3).
 * An incarnation is added by its first frame, vanishes after `vanishAfterMs` unheard, and is forgotten by a goodbye or
 * after `forgetAfterMs` unheard. A node that restarts is another incarnation: the former one vanishes by itself, since
 * it may have died between its commit and its publish.
 */
export class Peers {
  readonly #peers: Map<string, Peer> = new Map();
  /** The incarnation of each name that was heard of last. */
  readonly #newest: Map<NodeId, string> = new Map();
  /** Those that said goodbye: what of theirs still comes in is late. Oldest first. */
  readonly #departed: Map<string, Departure | undefined> = new Map();
  readonly #vanishAfterMs: number;
  readonly #forgetAfterMs: number;
  readonly #onNodes: () => void;

  /** @param onNodes Told when `nodes` may have changed. */
  constructor(vanishAfterMs: number, forgetAfterMs: number, onNodes: () => void = () => undefined) {
    this.#vanishAfterMs = vanishAfterMs;
    this.#forgetAfterMs = forgetAfterMs;
    this.#onNodes = onNodes;
  }

  /** The names of those that this node itself has heard. */
  get nodes(): readonly NodeId[] {
    return [...new Set([...this.#peers.values()].filter(({ hearsay }) => !hearsay).map(({ node }) => node))];
  }

  /** How many names were heard of, by this node or by those whom it hears. */
  get members(): number {
    return new Set([...this.#peers.values()].map(({ node }) => node)).size;
  }

  /** The sender itself was heard: a frame of `number`, or with 0 one that says that `last` was its last. */
  heard(node: NodeId, incarnation: string, number: number, last: number, now: number): Continuity {
    if (this.#departed.has(incarnation)) return "repeated";
    const upTo = Math.max(number, last);
    const peer = this.#peers.get(incarnation);
    if (peer === undefined) {
      this.#add({ node, incarnation, last: upTo, heardAt: now, hearsay: false, vanished: false });
      return upTo > 1 || (number === 0 && upTo > 0) ? "unknown-sender" : "expected";
    }
    const wasHearsay = peer.hearsay;
    peer.heardAt = now;
    peer.hearsay = false;
    peer.vanished = false;
    if (wasHearsay) this.#onNodes();
    const continuity = this.#advance(peer, number, upTo);
    return continuity !== "gap" && this.#newest.get(node) !== incarnation ? "former-incarnation" : continuity;
  }

  /**
   * Somebody else heard the sender up to `last`: this node may have missed something, of an incarnation that it hears
   * itself or of one that it does not, or hears no longer. Of the latter it is told by others that they live, and so
   * notices too when they do not.
   */
  reported({ node, incarnation, last }: Heard, now: number): Continuity {
    if (this.#departed.has(incarnation)) return "repeated";
    const peer = this.#peers.get(incarnation);
    if (peer === undefined) {
      this.#add({ node, incarnation, last, heardAt: now, hearsay: true, vanished: false });
      return last === 0 ? "repeated" : "unknown-sender";
    }
    if (peer.hearsay || peer.vanished) {
      const wasHeard = !peer.hearsay;
      peer.heardAt = now;
      peer.hearsay = true;
      peer.vanished = false;
      if (wasHeard) this.#onNodes();
    }
    return last > peer.last ? this.#advance(peer, 0, last) : "repeated";
  }

  /** @param now When this node heard the goodbye itself: others are then told of it for a while. */
  left(incarnation: string, now?: number): void {
    const peer = this.#peers.get(incarnation);
    if (peer !== undefined) this.#forget(peer);
    const isOwn = peer !== undefined && now !== undefined;
    const departure = isOwn ? { heard: { node: peer.node, incarnation, last: peer.last }, at: now } : undefined;
    this.#departed.set(incarnation, departure);
    if (this.#departed.size > mostDeparted) this.#departed.delete(this.#departed.keys().next().value as string);
  }

  /** Somebody else heard the sender up to `last`, and then its goodbye: nobody will tell of it much longer. */
  reportedLeft({ incarnation, last }: Heard): Continuity {
    if (this.#departed.has(incarnation)) return "repeated";
    const peer = this.#peers.get(incarnation);
    this.left(incarnation);
    if (last <= (peer?.last ?? 0)) return "repeated";
    return peer === undefined ? "unknown-sender" : "gap";
  }

  /** @returns The nodes that vanished since the last call; forgets those that are long gone. */
  vanished(now: number): readonly NodeId[] {
    const gone: NodeId[] = [];
    for (const peer of this.#peers.values()) {
      const silentMs = now - peer.heardAt;
      if (silentMs > this.#vanishAfterMs && !peer.vanished) {
        peer.vanished = true;
        gone.push(peer.node);
      }
      if (silentMs > this.#forgetAfterMs) this.#forget(peer);
    }
    return gone;
  }

  /** While this node heard nobody, not even itself, nobody's silence means anything. */
  excuse(now: number): void {
    for (const peer of this.#peers.values()) if (!peer.vanished) peer.heardAt = now;
  }

  /** What a heartbeat says of the others: of those that this node itself hears, or a rumour would live for ever. */
  report(): readonly Heard[] {
    return [...this.#peers.values()]
      .filter(({ hearsay, vanished }) => !hearsay && !vanished)
      .map(({ node, incarnation, last }) => ({ node, incarnation, last }));
  }

  /** Those whose goodbye this node heard so lately that others may have missed it, and all that came before it. */
  reportDeparted(now: number): readonly Heard[] {
    const recent: Heard[] = [];
    for (const departure of this.#departed.values())
      if (departure !== undefined && now - departure.at <= this.#vanishAfterMs) recent.push(departure.heard);
    return recent;
  }

  #add(peer: Peer): void {
    this.#peers.set(peer.incarnation, peer);
    this.#newest.set(peer.node, peer.incarnation);
    if (!peer.hearsay) this.#onNodes();
  }

  #forget({ node, incarnation }: Peer): void {
    this.#peers.delete(incarnation);
    if (this.#newest.get(node) === incarnation) this.#newest.delete(node);
    this.#onNodes();
  }

  #advance(peer: Peer, number: number, upTo: number): Continuity {
    const before = peer.last;
    if (upTo <= before) return number > 0 ? "repeated" : "expected";
    peer.last = upTo;
    return number === before + 1 && upTo === number ? "expected" : "gap";
  }
}
