import type { Cancel, Pause } from "@warp/core";
import { SeededRandom } from "./seeded-random.ts";
import { type ClockOptions, type ProcessTimer, SimulatedClock, type TimeSource } from "./simulated-clock.ts";
import { TimerQueue } from "./timer-queue.ts";
import { Trace } from "./trace.ts";

export interface PauseOptions {
  /** The longest either half of a call takes, in milliseconds. Default 5. One in eight takes no time at all. */
  readonly maxMs?: number;
  /** The caller's: while its process is frozen no reply reaches it. */
  readonly clock?: SimulatedClock;
  /** The share of calls that are lost on their way there: no effect. Default 0. */
  readonly loseRequest?: number;
  /** The share of replies that are lost: the effect took place. Default 0. */
  readonly loseReply?: number;
  /** If true, a lost call never settles; else it rejects after the latency. Default false. */
  readonly silent?: boolean;
}

export interface RunLimit {
  /** Fails after so much virtual time. Default 10 minutes. */
  readonly maxVirtualMs?: number;
}

const defaultLimitMs = 600_000;

// A timer that arms itself with no delay keeps virtual time where it is: only a count notices.
const mostStepsPerInstant = 100_000;

// Taken once: inside Jest's realm every look at a global is slow.
const { max } = Math;
const immediately = setImmediate;

/**
 * Runs every promise that can run, and what they start, to the end: Node comes to an immediate only once neither
 * microtasks nor ticks are left. Measured: 1 µs more than waiting for microtasks alone, which would not cover ticks.
 */
const drain = (): Promise<void> => new Promise((resolve) => immediately(resolve));

/**
 * Owns time and chance of a simulated cluster: the seed decides every latency, id and order of timers due together, so
 * the same seed gives the same run. Each step first runs all promises that can run, then fires the next due timer.
 */
export class Scheduler implements TimeSource {
  readonly seed: number;
  readonly #chance: SeededRandom;
  readonly #randoms = new Map<string, SeededRandom>();
  readonly #queue = new TimerQueue<ProcessTimer>();
  readonly #trace = new Trace();
  readonly #network: SimulatedClock;
  #nowMs = 0;
  #order = 0;
  #clocks = 0;
  #awaited = 0;
  #stepsThisInstant = 0;
  #steps = 0;

  constructor(seed: number) {
    this.seed = seed;
    this.#chance = new SeededRandom(`${seed}/scheduler`);
    this.#network = this.clock({ label: "network" });
  }

  /** Virtual time, in milliseconds since the beginning. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Timers fired so far. */
  get steps(): number {
    return this.#steps;
  }

  /** The clocks of a process of its own. For a server or the network, one that is never frozen. */
  clock(options: ClockOptions = {}): SimulatedClock {
    const label = options.label ?? `clock ${this.#clocks}`;
    this.#clocks++;
    return new SimulatedClock(this, label, this.#chance.integer(0, 1_000_000), options);
  }

  /** A stream of chance by name: what one process draws does not move what another gets. The same name, the same stream. */
  random(label: string): SeededRandom {
    let random = this.#randoms.get(label);
    if (random === undefined) {
      random = new SeededRandom(`${this.seed}/${label}`);
      this.#randoms.set(label, random);
    }
    return random;
  }

  /** Latency and loss for an in-memory adapter. `options` are read anew at each call, so that a scenario can change them. */
  pause(label = "pause", options: PauseOptions = {}): Pause {
    const random = this.random(`pause/${label}`);
    return async (stage) => {
      const { maxMs = 5, clock, loseRequest = 0, loseReply = 0, silent = false } = options;
      const lost = random.next() < (stage === "request" ? loseRequest : loseReply);
      const latencyMs = random.next() < 1 / 8 ? 0 : random.next() * maxMs;
      if (lost && silent) return new Promise<void>(() => undefined);
      if (latencyMs > 0) await this.delay(latencyMs);
      // The last step of a reply is the caller's own process taking it.
      if (clock !== undefined && (stage === "reply" || lost)) await this.delay(0, clock);
      if (lost) throw new Error(`${label}: ${stage} lost`);
    };
  }

  /** Resolves after `ms`, by `clock` if given. */
  delay(ms: number, clock: SimulatedClock = this.#network): Promise<void> {
    return new Promise((resolve) => {
      clock.schedule(ms, resolve);
    });
  }

  /** Stops a process where it stands: its timers, and so what reaches it, wait. Time goes on. */
  freeze(clock: SimulatedClock): void {
    if (clock.state === "running") clock.state = "frozen";
    this.note(`froze ${clock.label}`);
  }

  /** What waited happens now, in an order of the seed's choice. */
  thaw(clock: SimulatedClock): void {
    if (clock.state === "frozen") clock.state = "running";
    this.note(`thawed ${clock.label}`);
    for (const timer of clock.held.splice(0)) {
      if (timer.cancelled) continue;
      timer.dueAt = this.#nowMs;
      this.#push(timer);
    }
  }

  /** Ends a process: nothing of it ever runs again. What it sent still arrives. */
  crash(clock: SimulatedClock): void {
    clock.state = "crashed";
    for (const timer of clock.held.splice(0)) timer.cancelled = true;
    this.note(`crashed ${clock.label}`);
  }

  /** Writes a line into the trace. */
  note(text: string): void {
    this.#trace.note(this.#nowMs, text);
  }

  /** Of everything so far: the same for two runs exactly if they did the same. */
  traceHash(): string {
    return this.#trace.hash();
  }

  /** The last things that happened. */
  traceLines(): string[] {
    return this.#trace.lines();
  }

  /** Runs until `until` holds, looked at after each step. Fails if it cannot come true any more, or takes too long. */
  async run({ until, maxVirtualMs = defaultLimitMs }: RunLimit & { readonly until: () => boolean }): Promise<void> {
    const end = this.#nowMs + maxVirtualMs;
    for (;;) {
      await drain();
      if (until()) break;
      const outcome = this.#step(end);
      if (outcome === "idle") throw this.#stuck("waits for something that no timer will bring");
      if (outcome === "later") throw this.#stuck(`is not done after ${maxVirtualMs} ms of virtual time`);
    }
  }

  /** Runs until `promise` settles, and settles as it does. */
  async complete<T>(promise: Promise<T>, limit: RunLimit = {}): Promise<T> {
    let settled = false;
    const settle = (): void => {
      settled = true;
    };
    promise.then(settle, settle);
    await this.run({ ...limit, until: () => settled });
    return promise;
  }

  /** Runs for `ms` of virtual time, whether or not anything happens. */
  async advance(ms: number): Promise<void> {
    const end = this.#nowMs + ms;
    do await drain();
    while (this.#step(end) === "ran");
    this.#nowMs = end;
  }

  /** Runs until only background timers are left (and what belongs to frozen or crashed processes). */
  async settle(limit: RunLimit = {}): Promise<void> {
    await this.run({ ...limit, until: () => this.#awaited === 0 });
  }

  /** For the clocks. */
  arm(owner: SimulatedClock, delayMs: number, run: () => void, background: boolean): Cancel {
    this.#order++;
    const timer: ProcessTimer = {
      dueAt: this.#nowMs + delayMs,
      tie: this.#chance.word(),
      cancelled: false,
      owner,
      run,
      background,
      order: this.#order,
      awaited: false,
    };
    this.#push(timer);
    return () => {
      if (timer.cancelled) return;
      timer.cancelled = true;
      this.#unawait(timer);
      if (!owner.held.includes(timer)) this.#queue.noteCancelled();
    };
  }

  #push(timer: ProcessTimer): void {
    if (!timer.background) {
      timer.awaited = true;
      this.#awaited++;
    }
    this.#queue.push(timer);
  }

  #unawait(timer: ProcessTimer): void {
    if (timer.awaited) this.#awaited--;
    timer.awaited = false;
  }

  #step(end: number): "ran" | "idle" | "later" {
    const next = this.#queue.peek();
    if (next === undefined) return "idle";
    if (next.dueAt > end) return "later";
    this.#queue.pop();
    this.#unawait(next);
    this.#passTo(next.dueAt);
    if (next.owner.state === "running") this.#fire(next);
    else if (next.owner.state === "frozen") next.owner.held.push(next);
    else next.cancelled = true;
    return "ran";
  }

  #passTo(dueAt: number): void {
    this.#stepsThisInstant = dueAt > this.#nowMs ? 0 : this.#stepsThisInstant + 1;
    if (this.#stepsThisInstant > mostStepsPerInstant)
      throw this.#stuck(`fired ${mostStepsPerInstant} timers without time passing`);
    this.#nowMs = max(this.#nowMs, dueAt);
  }

  #fire(timer: ProcessTimer): void {
    this.#steps++;
    // Fired is as good as cancelled: a cancel that comes now has nothing to do.
    timer.cancelled = true;
    this.#trace.add(this.#nowMs, timer.owner.label, "timer", timer.order);
    try {
      timer.run();
    } catch (cause) {
      throw new Error(`a timer of ${timer.owner.label} threw at ${this.#nowMs} ms`, { cause });
    }
  }

  #stuck(reason: string): Error {
    const lines = this.traceLines().slice(-12).join("\n  ");
    return new Error(`the scenario ${reason} (at ${this.#nowMs.toFixed(3)} ms, ${this.#steps} steps)\n  ${lines}`);
  }
}
