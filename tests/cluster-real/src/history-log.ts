import {
  FencedResource,
  type Operation as HistoryOperation,
  partsOf,
  Recorder,
  type Step,
} from "@warp/tests-histories";
import type { CallLog } from "./cluster.ts";
import { type FromNode, monotonicMs, type Operation, type Outcome } from "./protocol.ts";

/** Takes down the calls of every process as one history, and plays what locks guard. */
export class HistoryLog implements CallLog {
  readonly #ended: HistoryOperation[] = [];
  readonly #open: Map<Operation, { readonly node: string; readonly sentAt: number }> = new Map();
  readonly #recorder: Recorder = new Recorder(monotonicMs);
  readonly #guarded: FencedResource = new FencedResource((event) => this.#recorder.lock(event));
  readonly #endings: Map<string, number> = new Map();
  readonly #problems: string[] = [];
  #ids = 0;

  /** How many calls, or parts of calls, ended how. */
  get endings(): ReadonlyMap<string, number> {
    return this.#endings;
  }

  /** What no fault explains. */
  get problems(): readonly string[] {
    return this.#problems;
  }

  get operations(): readonly HistoryOperation[] {
    return this.#ended;
  }

  get locks(): Recorder["locks"] {
    return this.#recorder.locks;
  }

  problem(what: string): void {
    if (this.#problems.length < 50) this.#problems.push(what);
  }

  began(operation: Operation, node: string): void {
    this.#open.set(operation, { node, sentAt: monotonicMs() });
  }

  ended(operation: Operation, { startedAt, endedAt, ending, parts = [], unexpected, lateMs }: Outcome): void {
    const node = this.#open.get(operation)?.node ?? "";
    this.#open.delete(operation);
    if (unexpected !== undefined) this.problem(`${node}: ${unexpected}`);
    if (lateMs !== undefined)
      this.problem(`${node}: ended ${Math.round(lateMs)} ms beyond its deadline: ${JSON.stringify(operation)}`);
    if (operation.kind === "lock") this.#count(`lock ${ending ?? "ok"}`);
    if (operation.kind !== "call") return;
    partsOf(operation.call).forEach((begun, at) => {
      const { status = "unknown", steps = begun, error } = parts[at] ?? {};
      this.#count(`${operation.call.call} ${error ?? status}`);
      const told = { process: node, call: operation.call.call, steps, status, start: startedAt, end: endedAt };
      this.#add({ ...told, ...(error === undefined ? {} : { error }) });
    });
  }

  abandoned(operation: Operation): void {
    const { node = "", sentAt = 0 } = this.#open.get(operation) ?? {};
    this.#open.delete(operation);
    this.#count(`${operation.kind} (node killed)`);
    if (operation.kind !== "call") return;
    for (const steps of partsOf(operation.call))
      this.#add({ process: node, call: operation.call.call, steps, status: "unknown", start: sentAt, end: null });
  }

  told(message: FromNode, node: string): void {
    if (message.type === "lock") this.#recorder.lock({ ...message.event, process: node });
    if (message.type === "guarded") this.#guarded.write(node, message.lock, BigInt(message.token), monotonicMs());
  }

  /** What somebody who is no node saw. */
  saw(process: string, steps: readonly Step[], start: number): void {
    this.#add({ process, call: "read", steps, status: "ok", start, end: monotonicMs() });
  }

  #add(operation: Omit<HistoryOperation, "id">): void {
    this.#ids += 1;
    this.#ended.push({ id: this.#ids, ...operation });
  }

  #count(what: string): void {
    this.#endings.set(what, (this.#endings.get(what) ?? 0) + 1);
  }
}
