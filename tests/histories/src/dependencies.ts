import { type Operation, type Step, sameValue, type Value } from "./operation.ts";

/** Why one operation comes before another. */
export type DependencyKind =
  /** It wrote what the other replaced. */
  | "ww"
  /** It wrote what the other read. */
  | "wr"
  /** It read what the other replaced. */
  | "rw"
  /** It had ended when the other began. */
  | "real-time";

export interface Dependency {
  readonly from: Operation;
  readonly to: Operation;
  readonly kind: DependencyKind;
  readonly key: string | undefined;
}

export interface Anomaly {
  /** After Adya, "Weak Consistency" (1999), and Kingsbury & Alvaro, "Elle" (VLDB 2020). */
  readonly name: string;
  /** Each comes before the next, and the last before the first. Empty where one operation alone is wrong. */
  readonly cycle: readonly Dependency[];
  readonly told: string;
}

const text = (key: string, value: Value): string => `${key}\u0000${JSON.stringify(value)}`;

/** What an operation read of a key before it wrote it, and what it left. */
const transitions = (operation: Operation): ReadonlyMap<string, { read?: Value; wrote?: Value }> => {
  const found = new Map<string, { read?: Value; wrote?: Value }>();
  const note = (step: Step, read: Value | undefined, wrote: Value | undefined): void => {
    const before = found.get(step.key) ?? {};
    const isFirst = before.read === undefined && before.wrote === undefined;
    found.set(step.key, {
      ...before,
      ...(isFirst && read !== undefined ? { read } : {}),
      ...(wrote === undefined ? {} : { wrote }),
    });
  };
  for (const step of operation.steps) {
    if (step.kind === "read") note(step, step.value, undefined);
    else if (step.kind === "write") note(step, undefined, step.value);
    else if (step.kind === "swap") note(step, step.expected, step.value);
    else if (step.kind === "add" && step.value !== undefined) note(step, step.value - step.amount, step.value);
    else if (step.kind === "create" && step.result !== undefined)
      if (sameValue(step.result, step.value)) note(step, null, step.value);
      else note(step, step.result, undefined);
  }
  return found;
};

/**
 * Cycles between operations that share keys. The order of a key's values is known where whoever wrote one had read the one
 * before it, and each value is written once; what is not known adds no edge, so every anomaly found is one, and a history
 * without any may still not be serializable. It scales with the length of a history, where a search does not.
 */
class DependencyGraph {
  readonly #operations: readonly Operation[];
  readonly #writers: Map<string, Operation> = new Map();
  /** Who replaced a value, having read it. */
  readonly #replacers: Map<string, Operation[]> = new Map();
  readonly #observed: Set<Operation> = new Set();
  readonly edges: Map<Operation, Dependency[]> = new Map();
  readonly anomalies: Anomaly[] = [];

  constructor(operations: readonly Operation[]) {
    this.#operations = operations;
    for (const operation of operations) this.#index(operation);
    for (const operation of operations) if (operation.status === "ok") this.#observe(operation);
    for (const operation of operations) if (this.#observed.has(operation)) this.#connect(operation);
  }

  /** One that never answered took place if somebody saw what it wrote; else it may not have, and proves nothing. */
  #observe(operation: Operation): void {
    const open = [operation];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (this.#observed.has(next) || next.status === "failed") continue;
      this.#observed.add(next);
      for (const [key, { read }] of transitions(next)) {
        const writer = read === undefined || read === null ? undefined : this.#writers.get(text(key, read));
        if (writer !== undefined) open.push(writer);
      }
    }
  }

  #index(operation: Operation): void {
    for (const [key, { read, wrote }] of transitions(operation)) {
      if (wrote !== undefined && wrote !== null) this.#writers.set(text(key, wrote), operation);
      if (read === undefined || read === null || wrote === undefined) continue;
      const replaced = text(key, read);
      this.#replacers.set(replaced, [...(this.#replacers.get(replaced) ?? []), operation]);
    }
  }

  #connect(operation: Operation): void {
    for (const [key, { read, wrote }] of transitions(operation)) {
      if (read === undefined || read === null) continue;
      const writer = this.#writers.get(text(key, read));
      if (writer?.status === "failed" && operation.status === "ok")
        this.anomalies.push({
          name: "G1a, aborted read",
          cycle: [],
          told: `#${operation.id} read ${key} of #${writer.id}`,
        });
      if (writer !== undefined) this.#edge(writer, operation, wrote === undefined ? "wr" : "ww", key);
      for (const replacer of this.#replacers.get(text(key, read)) ?? [])
        if (this.#observed.has(replacer)) this.#edge(operation, replacer, "rw", key);
    }
  }

  #edge(from: Operation, to: Operation, kind: DependencyKind, key: string | undefined): void {
    if (from === to || from.status === "failed") return;
    this.edges.set(from, [...(this.edges.get(from) ?? []), { from, to, kind, key }]);
  }

  /** Each began after the one before had ended: as many edges as needed to reach every later one. */
  realTime(): void {
    const byStart = this.#operations.filter(({ status }) => status === "ok").sort((a, b) => a.start - b.start);
    // The first end among those that begin here or later: whatever begins after it is reached through its owner.
    const firstEnd: number[] = new Array(byStart.length + 1).fill(Number.POSITIVE_INFINITY);
    for (let at = byStart.length - 1; at >= 0; at--)
      firstEnd[at] = Math.min(firstEnd[at + 1] as number, byStart[at]?.end as number);
    const byEnd = [...byStart].sort((a, b) => (a.end as number) - (b.end as number));
    let after = 0;
    for (const operation of byEnd) {
      while (after < byStart.length && (byStart[after] as Operation).start <= (operation.end as number)) after++;
      for (let at = after; at < byStart.length; at++) {
        const next = byStart[at] as Operation;
        if (next.start > (firstEnd[after] as number)) break;
        this.#edge(operation, next, "real-time", undefined);
      }
    }
  }
}

/** A shortest cycle through `start`; `undefined` if there is none. */
const cycleThrough = (
  start: Operation,
  edges: ReadonlyMap<Operation, readonly Dependency[]>,
): Dependency[] | undefined => {
  const reachedBy = new Map<Operation, Dependency>();
  let frontier: Operation[] = [start];
  while (frontier.length > 0) {
    const next: Operation[] = [];
    for (const operation of frontier)
      for (const edge of edges.get(operation) ?? []) {
        if (edge.to === start) {
          const cycle = [edge];
          for (let at = edge.from; at !== start; at = (cycle[0] as Dependency).from)
            cycle.unshift(reachedBy.get(at) as Dependency);
          return cycle;
        }
        if (reachedBy.has(edge.to)) continue;
        reachedBy.set(edge.to, edge);
        next.push(edge.to);
      }
    frontier = next;
  }
  return undefined;
};

const nameOf = (cycle: readonly Dependency[]): string => {
  const kinds = cycle.map(({ kind }) => kind);
  const antis = kinds.filter((kind) => kind === "rw").length;
  const suffix = kinds.includes("real-time") ? ", against real time" : "";
  if (antis === 0) return `${kinds.includes("wr") ? "G1c, circular information flow" : "G0, write cycle"}${suffix}`;
  if (antis === 1) return `G-single, ${kinds.includes("ww") ? "lost update or read skew" : "read skew"}${suffix}`;
  return `G2, write skew${suffix}`;
};

const tell = (cycle: readonly Dependency[]): string =>
  cycle.map(({ from, kind, key }) => `#${from.id} -${kind}${key === undefined ? "" : ` ${key}`}→`).join(" ");

/** Operations that lie on a cycle, each component by one of its members: Tarjan, "Depth-first search" (1972). */
const onCycles = (graph: ReadonlyMap<Operation, readonly Dependency[]>): readonly Operation[] => {
  const order = new Map<Operation, number>();
  const low = new Map<Operation, number>();
  const open: Operation[] = [];
  const isOpen = new Set<Operation>();
  const found: Operation[] = [];
  const enter = (operation: Operation): { operation: Operation; next: number } => {
    order.set(operation, order.size);
    low.set(operation, order.get(operation) as number);
    open.push(operation);
    isOpen.add(operation);
    return { operation, next: 0 };
  };
  const lower = (operation: Operation, to: number): void => {
    low.set(operation, Math.min(low.get(operation) as number, to));
  };
  for (const root of graph.keys()) {
    if (order.has(root)) continue;
    const stack = [enter(root)];
    for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
      const edge = graph.get(frame.operation)?.[frame.next++];
      if (edge === undefined) {
        stack.pop();
        const parent = stack.at(-1);
        if (parent !== undefined) lower(parent.operation, low.get(frame.operation) as number);
        if (low.get(frame.operation) !== order.get(frame.operation)) continue;
        const component = open.splice(open.indexOf(frame.operation));
        for (const member of component) isOpen.delete(member);
        if (component.length > 1) found.push(frame.operation);
      } else if (!order.has(edge.to)) stack.push(enter(edge.to));
      else if (isOpen.has(edge.to)) lower(frame.operation, order.get(edge.to) as number);
    }
  }
  return found;
};

/** @returns What is wrong between the operations; nothing proves nothing. */
export const findAnomalies = (operations: readonly Operation[]): readonly Anomaly[] => {
  const graph = new DependencyGraph(operations);
  graph.realTime();
  const cycles = onCycles(graph.edges).flatMap((operation) => {
    const cycle = cycleThrough(operation, graph.edges);
    return cycle === undefined ? [] : [{ name: nameOf(cycle), cycle, told: tell(cycle) }];
  });
  return [...graph.anomalies, ...cycles];
};
