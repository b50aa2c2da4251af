import type { NodeId } from "../ports/bus.ts";
import type { Heard } from "../wire/frame-body.ts";

interface Peer {
  readonly node: NodeId;
  incarnation: string;
  /** Every broadcast up to this number was heard, or its loss was noticed. */
  last: number;
  /** Monotonic. */
  heardAt: number;
  vanished: boolean;
  /** Former incarnations of the node, to tell a restart from two live nodes of one name. */
  former: string[];
}

/** What a piece of news from or about a sender means. */
export type Continuity = "expected" | "repeated" | "gap" | "unknown-sender" | "former-incarnation";

const mostFormer = 4;

/**
 * Who is there, and up to where each was heard. Decides whether a frame continues what was heard before (rule 3).
 * A peer is added by its first frame, vanishes after `vanishAfterMs` unheard, and is forgotten by a goodbye or after
 * `forgetAfterMs` unheard.
 */
export class Peers {
  readonly #peers: Map<NodeId, Peer> = new Map();
  /** Incarnations that only others hear, and up to where. */
  readonly #hearsay: Map<string, { readonly last: number; readonly at: number }> = new Map();
  readonly #vanishAfterMs: number;
  readonly #forgetAfterMs: number;

  constructor(vanishAfterMs: number, forgetAfterMs: number) {
    this.#vanishAfterMs = vanishAfterMs;
    this.#forgetAfterMs = forgetAfterMs;
  }

  get nodes(): readonly NodeId[] {
    return [...this.#peers.keys()];
  }

  /** The sender itself was heard: a frame of `number`, or with 0 one that says that `last` was its last. */
  heard(node: NodeId, incarnation: string, number: number, last: number, now: number): Continuity {
    const peer = this.#peers.get(node);
    const known = peer?.incarnation === incarnation;
    if (peer !== undefined && !known && peer.former.includes(incarnation)) return "former-incarnation";
    const upTo = Math.max(number, last);
    if (peer === undefined || !known) {
      const former = peer === undefined ? [] : [...peer.former, peer.incarnation].slice(-mostFormer);
      this.#peers.set(node, { node, incarnation, last: upTo, heardAt: now, vanished: false, former });
      return upTo > 1 || (number === 0 && upTo > 0) ? "unknown-sender" : "expected";
    }
    peer.heardAt = now;
    peer.vanished = false;
    return this.#advance(peer, number, upTo);
  }

  /**
   * Somebody else heard the sender up to `last`. Says nothing of who lives: only that this node may have missed something,
   * of an incarnation that it hears itself or of one that it does not.
   */
  reported({ node, incarnation, last }: Heard, now: number): Continuity {
    const peer = this.#peers.get(node);
    if (peer?.incarnation === incarnation) return last > peer.last ? this.#advance(peer, 0, last) : "repeated";
    if (last === 0 || peer?.former.includes(incarnation) === true) return "repeated";
    const hearsay = this.#hearsay.get(incarnation);
    if (hearsay !== undefined && last <= hearsay.last) return "repeated";
    this.#hearsay.set(incarnation, { last, at: now });
    return "unknown-sender";
  }

  #advance(peer: Peer, number: number, upTo: number): Continuity {
    const before = peer.last;
    if (upTo <= before) return number > 0 ? "repeated" : "expected";
    peer.last = upTo;
    return number === before + 1 && upTo === number ? "expected" : "gap";
  }

  left(node: NodeId, incarnation: string): void {
    if (this.#peers.get(node)?.incarnation === incarnation) this.#peers.delete(node);
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
      if (silentMs > this.#forgetAfterMs) this.#peers.delete(peer.node);
    }
    for (const [incarnation, { at }] of this.#hearsay)
      if (now - at > this.#forgetAfterMs) this.#hearsay.delete(incarnation);
    return gone;
  }

  /** While this node heard nobody, not even itself, nobody's silence means anything. */
  excuse(now: number): void {
    for (const peer of this.#peers.values()) if (!peer.vanished) peer.heardAt = now;
  }

  /** What a heartbeat says of the others. */
  report(): readonly Heard[] {
    return [...this.#peers.values()].map(({ node, incarnation, last }) => ({ node, incarnation, last }));
  }
}
