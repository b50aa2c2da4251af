import { createHistogram, type RecordableHistogram } from "node:perf_hooks";
import {
  type Call,
  type Ended,
  FencedResource,
  type History,
  type LockCall,
  makeCall,
  makeLockCall,
  partsOf,
  Recorder,
  type Step,
  type Value,
} from "@warp/tests-histories";
import type { Node } from "./bootstrap.ts";
import type { FlagKey } from "./data.ts";
import { Draw } from "./draw.ts";
import { duration } from "./format.ts";
import { pause, traffic } from "./traffic.ts";

export const flagKeys: readonly FlagKey[] = ["flag:checkout", "flag:search", "flag:signup"];

/** Who changes the flags takes this lock. */
const rollout = "lock:rollout";
const rolloutTtlMs = 200;
const callsAtOnce = 6;

/** What happened to calls on strong keys, taken down as callers saw it. */
export class Flags {
  /** How long the calls took that went well, in nanoseconds. */
  readonly times: Readonly<Record<"read" | "write", RecordableHistogram>> = {
    read: createHistogram(),
    write: createHistogram(),
  };
  readonly #nodes: ReadonlyMap<string, Node>;
  readonly #draw: Draw;
  readonly #recorder: Recorder = new Recorder(() => performance.now());
  readonly #guarded: FencedResource = new FencedResource((event) => this.#recorder.lock(event));
  #values = 0;

  constructor(nodes: ReadonlyMap<string, Node>, seed: number) {
    this.#nodes = nodes;
    this.#draw = new Draw(seed);
  }

  get history(): History {
    return this.#recorder;
  }

  /** Calls of every kind, on a node drawn anew each. */
  async use(count: number): Promise<void> {
    const names = [...this.#nodes.keys()];
    const calls = Array.from({ length: count }, () => [this.#pick(names), this.#drawn()] as const);
    await traffic(calls, { concurrency: callsAtOnce }, async ([name, call]) => {
      await this.make(name, call);
    });
  }

  /** Makes a call, which is one operation. @returns How it ended. */
  async make(name: string, call: Call): Promise<Ended> {
    const ids = partsOf(call).map((steps) => this.#recorder.begin(name, call.call, steps));
    const startedAt = process.hrtime.bigint();
    const ends = await makeCall(this.#nodes.get(name) as never, call, pause);
    const isRead = call.call === "find" || call.call === "getMany" || call.call === "read transaction";
    if (ends[0]?.status === "ok") this.times[isRead ? "read" : "write"].record(process.hrtime.bigint() - startedAt);
    ends.forEach((end, at) => void this.#recorder.end(ids[at] as number, end));
    return ends[0] as Ended;
  }

  /** @returns What the node says that the flag is; its error's code if it says nothing. */
  async ask(name: string, key: FlagKey): Promise<Value | undefined> {
    const { steps: [step] = [], error } = await this.make(name, { call: "find", key });
    return step?.kind === "read" ? step.value : error;
  }

  /** Takes down what somebody found in the end, who is no node. */
  async find(name: string, read: () => Promise<readonly Step[]>): Promise<void> {
    const id = this.#recorder.begin(name, "read", []);
    this.#recorder.end(id, { status: "ok", steps: await read() });
  }

  /** Every node takes the lock in turn, and writes to what it guards; the first one comes back when others have had it. */
  async contend(): Promise<void> {
    const [first, ...later] = [...this.#nodes.keys()];
    const call: LockCall = {
      ...{ key: rollout, ttl: rolloutTtlMs, hardTimeout: 60_000, isRenewed: false },
      pauses: [0, rolloutTtlMs / 20],
    };
    let granted = (): void => {};
    const isGranted = new Promise<void>((resolve) => {
      granted = resolve;
    });
    let left = (): void => {};
    const haveOthersLeft = new Promise<void>((resolve) => {
      left = resolve;
    });
    const slow = this.#lock(first as string, call, { granted, pause: (ms) => (ms === 0 ? pause(0) : haveOthersLeft) });
    // One that fails has nobody waiting behind it.
    await Promise.race([isGranted, slow]);
    const others = later.flatMap((name) => [this.#lock(name, call), this.#lock(name, call)]);
    await Promise.all([slow, Promise.all(others).finally(left)]);
  }

  /** @throws {Error} If the lock could not be had, or was lost by other ways than by its time. */
  async #lock(
    name: string,
    call: LockCall,
    { granted, pause: pauseFor }: { readonly granted: () => void; readonly pause: (ms: number) => Promise<void> } = {
      granted: () => {},
      pause,
    },
  ): Promise<void> {
    const code = await makeLockCall(this.#nodes.get(name) as never, call, {
      now: () => performance.now(),
      pause: pauseFor,
      onEvent: (event) => {
        this.#recorder.lock({ ...event, process: name });
        granted();
      },
      write: async (lock, token) => this.#guarded.write(name, lock, token, performance.now()),
    });
    if (code !== undefined)
      throw new Error(`${name} could not use the lock for ${duration(call.hardTimeout)}: ${code}`);
  }

  #drawn(): Call {
    const key = this.#pick(flagKeys);
    switch (this.#draw.integer(0, 10)) {
      case 0:
      case 1:
      case 2:
        return { call: "find", key };
      case 3:
      case 4:
        return { call: "getMany", keys: flagKeys };
      case 5:
        return { call: "compareAndSwap", key, value: this.value() };
      case 6:
        return { call: "getOrSet", key, value: this.value(), loadMs: 1 };
      case 7: {
        const other = this.#pick(flagKeys);
        const entries = [...new Set([key, other])].map((one) => [one, this.value()] as const);
        return { call: "transaction", reads: key, entries };
      }
      case 8:
        return { call: "delete", key };
      case 9:
        return { call: "read transaction", keys: flagKeys };
      default:
        return { call: "set", key, value: this.value() };
    }
  }

  /** One that nobody has written. */
  value(): string {
    this.#values += 1;
    return `for ${this.#values} users`;
  }

  #pick<T>(among: readonly T[]): T {
    return among[this.#draw.integer(0, among.length - 1)] as T;
  }
}
