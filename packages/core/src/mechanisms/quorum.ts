import type { NodeId } from "../ports/bus.ts";

/** How many nodes must acknowledge a write, the writer among them, and in how many zones they must be. */
export interface QuorumRule {
  /** `undefined`: a majority of the members that the writer has heard of. */
  readonly replicas: number | undefined;
  readonly zones: number;
}

export const majorityRule: QuorumRule = Object.freeze({ replicas: undefined, zones: 1 });

/** What a majority of so many nodes is. */
export const majorityOf = (nodes: number): number => Math.floor(nodes / 2) + 1;

/** What satisfies every one of `rules`. @param members How many there are, the writer among them. */
export const largestQuorum = (
  rules: Iterable<QuorumRule>,
  members: number,
): { readonly replicas: number; readonly zones: number } => {
  let replicas = 1;
  let zones = 1;
  for (const rule of rules) {
    replicas = Math.max(replicas, rule.replicas ?? majorityOf(members));
    zones = Math.max(zones, rule.zones);
  }
  return { replicas, zones };
};

/**
 * Counts who has acknowledged one operation. A node counts once, whatever it was called by, and only once it has
 * acknowledged every part of the announcement.
 */
export class Quorum {
  #required: { readonly replicas: number; readonly zones: number };
  readonly #parts: number;
  readonly #acknowledged: Map<NodeId, string> = new Map();
  // Made when they are needed, which is hardly ever.
  #partly: Map<NodeId, Set<number>> | undefined;
  #mismatched: Set<NodeId> | undefined;
  #onSatisfied: (() => void) | undefined;
  #onFailed: ((error: unknown) => void) | undefined;
  #satisfied: Promise<void>;

  /** @param writer Counts as one. @param zone The writer's; nodes without a zone are in one of that name, "". */
  constructor(
    required: { readonly replicas: number; readonly zones: number },
    parts: number,
    writer: NodeId,
    zone: string,
  ) {
    this.#required = required;
    this.#parts = parts;
    this.#satisfied = this.#awaitIt();
    this.#count(writer, zone);
  }

  get required(): number {
    return this.#required.replicas;
  }

  get requiredZones(): number {
    return this.#required.zones;
  }

  /** Rejects if the announcement fails before that. Another one once `require` has asked for more than there was. */
  get satisfied(): Promise<void> {
    return this.#satisfied;
  }

  /** Members have come or gone meanwhile. */
  require(required: { readonly replicas: number; readonly zones: number }): void {
    this.#required = required;
    if (this.isSatisfied) this.#settle();
    else if (this.#onSatisfied === undefined) this.#satisfied = this.#awaitIt();
  }

  get acknowledged(): number {
    return this.#acknowledged.size;
  }

  get zones(): number {
    return new Set(this.#acknowledged.values()).size;
  }

  get isSatisfied(): boolean {
    if (this.acknowledged < this.required) return false;
    return this.requiredZones === 1 || this.zones >= this.requiredZones;
  }

  /** Nodes that keep one of the keys otherwise: they did what was asked, and do not count. */
  get mismatched(): readonly NodeId[] {
    return [...(this.#mismatched ?? [])];
  }

  acknowledge(node: NodeId, part: number, zone: string): void {
    if (this.#acknowledged.has(node) || this.#mismatched?.has(node) === true || part >= this.#parts) return;
    if (this.#parts === 1) {
      this.#count(node, zone);
      return;
    }
    this.#partly ??= new Map();
    const parts = this.#partly.get(node) ?? new Set();
    this.#partly.set(node, parts.add(part));
    if (parts.size === this.#parts) this.#count(node, zone);
  }

  /** Nobody can be told. */
  fail(error: unknown): void {
    this.#onFailed?.(error);
  }

  mismatch(node: NodeId): void {
    if (this.#acknowledged.has(node)) return;
    this.#mismatched ??= new Set();
    this.#mismatched.add(node);
  }

  #count(node: NodeId, zone: string): void {
    this.#acknowledged.set(node, zone);
    this.#settle();
  }

  #awaitIt(): Promise<void> {
    const satisfied = new Promise<void>((resolve, reject) => {
      this.#onSatisfied = resolve;
      this.#onFailed = reject;
    });
    // Whoever has given up waiting hears of no failure.
    satisfied.catch(() => undefined);
    return satisfied;
  }

  #settle(): void {
    if (this.#onSatisfied === undefined || !this.isSatisfied) return;
    this.#onSatisfied();
    this.#onSatisfied = undefined;
  }
}
