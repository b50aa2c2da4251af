import { apply, type State, stateKey } from "./model.ts";
import { keysOf, type Operation, type Step, sameValue } from "./operation.ts";

export interface Verdict {
  /** `undecided`: the search gave up; nothing is proven. */
  readonly outcome: "linearizable" | "not linearizable" | "undecided";
  /** The longest order that was found, to its end. */
  readonly order: readonly Operation[];
  /** What the keys hold after it. */
  readonly state: State;
  /** What could not be placed next although it had ended first. */
  readonly stuck: Operation | undefined;
  /** What was under way then. */
  readonly concurrent: readonly Operation[];
  /** Configurations looked at. */
  readonly steps: number;
}

/** One place in the search: what has been placed, and what may come next. */
interface Frame {
  readonly state: State;
  readonly taken: Operation | undefined;
  readonly candidates: readonly Operation[];
  next: number;
}

const endOf = ({ status, end }: Operation): number =>
  status === "ok" && end !== null ? end : Number.POSITIVE_INFINITY;

/** Whether it changes nothing wherever it can take place. */
const isRead = ({ steps }: Operation): boolean => steps.every(({ kind }) => kind === "read" || kind === "differs");

/** Whether a step tells that its key held what `wrote` leaves there. */
const tellsOf = (step: Step, wrote: Step): boolean => {
  if (step.key !== wrote.key || wrote.kind === "read" || wrote.kind === "differs") return false;
  // Of a sum everybody tells who comes later.
  if (wrote.kind === "add") return true;
  if (step.kind === "read") return step.value !== undefined && sameValue(step.value, wrote.value);
  if (step.kind === "swap") return sameValue(step.expected, wrote.value);
  if (step.kind === "create") return step.result === undefined || sameValue(step.result, wrote.value);
  return step.kind === "write" && step.existed === false && wrote.value === null;
};

const witnessesOf = (
  known: readonly Operation[],
  unknown: readonly Operation[],
): ReadonlyMap<Operation, readonly Operation[]> =>
  new Map(
    unknown.map((one) => [
      one,
      known.filter(({ steps }) => steps.some((step) => one.steps.some((wrote) => tellsOf(step, wrote)))),
    ]),
  );

/**
 * A search for an order of operations, each at an instant of its own time, in which every one could have given the answer
 * it gave. Wing & Gong, "Testing and Verifying Concurrent Objects" (1993); configurations are remembered, and what must end
 * first is tried first (Lowe, "Testing for linearizability", 2017; Athalye's Porcupine). A read that fits is placed at once:
 * placing it earlier takes nothing from what follows. What never answered is tried last.
 */
class Search {
  readonly #known: readonly Operation[];
  readonly #unknown: readonly Operation[];
  readonly #placed: Set<Operation> = new Set();
  readonly #seen: Set<string> = new Set();
  readonly #order: Operation[] = [];
  readonly #mostSteps: number;
  /** Who tells of what an unknown operation wrote; `undefined` where unknown operations may come anywhere. */
  readonly #witnesses: ReadonlyMap<Operation, readonly Operation[]> | undefined;
  readonly #places: Map<Operation, number>;
  /** All known ones before it are placed. */
  #lowest = 0;
  #placedKnown = 0;
  #steps = 0;
  #best: { order: readonly Operation[]; state: State; count: number } = { order: [], state: new Map(), count: -1 };

  /** @param isThrifty Places an unknown operation only where somebody can tell: what it finds is right, what it misses may be there. */
  constructor(operations: readonly Operation[], mostSteps: number, isThrifty: boolean) {
    const byStart = [...operations].sort((a, b) => a.start - b.start);
    this.#known = byStart.filter(({ status }) => status === "ok");
    this.#places = new Map(this.#known.map((operation, at) => [operation, at]));
    this.#unknown = byStart.filter((operation) => operation.status === "unknown" && !isRead(operation));
    this.#mostSteps = mostSteps;
    if (isThrifty) this.#witnesses = witnessesOf(this.#known, this.#unknown);
  }

  run(initial: State): Verdict {
    const stack: Frame[] = [this.#frame(initial, undefined)];
    for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
      this.#note(frame.state);
      if (this.#placedKnown === this.#known.length) return this.#verdict("linearizable");
      if (this.#steps > this.#mostSteps) return this.#verdict("undecided");
      const next = this.#next(frame);
      if (next !== undefined) stack.push(next);
      else {
        stack.pop();
        if (frame.taken !== undefined) this.#take(frame.taken, false);
      }
    }
    return this.#verdict("not linearizable");
  }

  /** Places one more operation; `undefined` if none is left that leads anywhere new. */
  #next(frame: Frame): Frame | undefined {
    while (frame.next < frame.candidates.length) {
      const operation = frame.candidates[frame.next++] as Operation;
      const state = apply(frame.state, operation);
      if (state === undefined) continue;
      // It need not have taken place at all: where it changes nothing, placing it leads nowhere else.
      if (operation.status === "unknown" && state === frame.state) continue;
      this.#steps++;
      this.#take(operation, true);
      const isForced = state === frame.state && operation.status === "ok" && isRead(operation);
      if (isForced) frame.next = frame.candidates.length;
      const key = this.#key(state);
      if (!this.#seen.has(key)) {
        this.#seen.add(key);
        return this.#frame(state, operation);
      }
      this.#take(operation, false);
    }
    return undefined;
  }

  #frame(state: State, taken: Operation | undefined): Frame {
    return { state, taken, candidates: this.#candidates(state), next: 0 };
  }

  /** What may come next: whatever began before the first of the others ended. */
  #candidates(state: State): readonly Operation[] {
    const deadline = this.#deadline();
    const known: Operation[] = [];
    for (let at = this.#lowest; at < this.#known.length; at++) {
      const operation = this.#known[at] as Operation;
      if (operation.start > deadline) break;
      if (this.#placed.has(operation)) continue;
      if (isRead(operation) && apply(state, operation) !== undefined) return [operation];
      known.push(operation);
    }
    known.sort((a, b) => endOf(a) - endOf(b));
    const unknown = this.#unknown.filter((one) => one.start <= deadline && !this.#placed.has(one));
    return [...known, ...unknown.filter((one) => this.#canTell(one, state, known))];
  }

  /** Whether it makes a difference to somebody that an unknown operation took place, now. */
  #canTell(unknown: Operation, state: State, known: readonly Operation[]): boolean {
    if (this.#witnesses === undefined) return true;
    if (this.#witnesses.get(unknown)?.some((one) => !this.#placed.has(one)) === true) return true;
    const keys = new Set(keysOf(unknown));
    const isStuck = (one: Operation): boolean =>
      keysOf(one).some((key) => keys.has(key)) && apply(state, one) === undefined;
    const next = known.some(isStuck) ? apply(state, unknown) : undefined;
    return next !== undefined && known.some((one) => isStuck(one) && apply(next, one) !== undefined);
  }

  #deadline(): number {
    let deadline = Number.POSITIVE_INFINITY;
    for (let at = this.#lowest; at < this.#known.length; at++) {
      const operation = this.#known[at] as Operation;
      if (operation.start > deadline) break;
      if (!this.#placed.has(operation)) deadline = Math.min(deadline, endOf(operation));
    }
    return deadline;
  }

  #take(operation: Operation, placed: boolean): void {
    const isKnown = operation.status === "ok";
    if (placed) {
      this.#placed.add(operation);
      this.#order.push(operation);
      if (isKnown) this.#placedKnown++;
      while (this.#lowest < this.#known.length && this.#placed.has(this.#known[this.#lowest] as Operation))
        this.#lowest++;
      return;
    }
    this.#placed.delete(operation);
    this.#order.pop();
    if (!isKnown) return;
    this.#placedKnown--;
    this.#lowest = Math.min(this.#lowest, this.#places.get(operation) as number);
  }

  #key(state: State): string {
    let ahead = "";
    let left = this.#placedKnown - this.#lowest;
    for (let at = this.#lowest; left > 0; at++) {
      if (!this.#placed.has(this.#known[at] as Operation)) continue;
      ahead += `,${at}`;
      left--;
    }
    let unknown = "";
    for (const one of this.#unknown) if (this.#placed.has(one)) unknown += `,${one.id}`;
    return `${this.#lowest}${ahead};${unknown};${stateKey(state)}`;
  }

  #note(state: State): void {
    if (this.#placedKnown > this.#best.count) this.#best = { order: [...this.#order], state, count: this.#placedKnown };
  }

  #verdict(outcome: Verdict["outcome"]): Verdict {
    const { order, state } = this.#best;
    const placed = new Set(order);
    const open = this.#known.filter((operation) => !placed.has(operation));
    const stuck = open.reduce<Operation | undefined>(
      (first, one) => (first === undefined || endOf(one) < endOf(first) ? one : first),
      undefined,
    );
    const until = stuck === undefined ? 0 : endOf(stuck);
    const concurrent = open.filter((one) => one !== stuck && one.start <= until);
    return { outcome, order, state, stuck, concurrent, steps: this.#steps };
  }
}

/** Groups of operations that have no key in common with each other. */
export const independentParts = (operations: readonly Operation[]): readonly (readonly Operation[])[] => {
  const parent = new Map<string, string>();
  const rootOf = (key: string): string => {
    let root = key;
    for (let up = parent.get(root); up !== undefined && up !== root; up = parent.get(root)) root = up;
    parent.set(key, root);
    return root;
  };
  for (const operation of operations) {
    const [first, ...others] = keysOf(operation);
    if (first === undefined) continue;
    for (const other of [first, ...others]) if (!parent.has(other)) parent.set(other, other);
    for (const other of others) parent.set(rootOf(other), rootOf(first));
  }
  const parts = new Map<string, Operation[]>();
  for (const operation of operations) {
    const [first] = keysOf(operation);
    if (first === undefined) continue;
    const root = rootOf(first);
    const part = parts.get(root);
    if (part === undefined) parts.set(root, [operation]);
    else part.push(operation);
  }
  return [...parts.values()];
};

export interface SearchOptions {
  /** What keys hold at the beginning. Default: nothing. */
  readonly initial?: State;
  /** Gives up after so many configurations. Default 2 000 000. */
  readonly mostSteps?: number;
}

/**
 * Whether operations that share keys are linearizable; with several keys in one operation, strictly serializable.
 * Failed operations are left out.
 */
export const checkLinearizable = (
  operations: readonly Operation[],
  { initial = new Map(), mostSteps = 2_000_000 }: SearchOptions = {},
): Verdict => {
  const taken = operations.filter(({ status }) => status !== "failed");
  const found = new Search(taken, mostSteps, true).run(initial);
  return found.outcome === "linearizable" ? found : new Search(taken, mostSteps, false).run(initial);
};
