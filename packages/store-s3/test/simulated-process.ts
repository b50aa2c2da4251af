import { type S3Sender, S3Store, type S3StoreOptions } from "../src/index.ts";
import { type AnyCommand, answered, type MemoryS3, sdkError } from "./memory-s3.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** What becomes of one request. */
export interface Fate {
  /** When it takes effect, in milliseconds from now; `undefined`: never. Default: 1. */
  readonly landsAfterMs?: number | undefined;
  /** When the sender hears the answer, in milliseconds after it took effect, or from now; `undefined`: never. Default: 1. */
  readonly answersAfterMs?: number | undefined;
  /** The answer is 500, whatever happened; `"early"`: before it happens, if it does. */
  readonly isGarbled?: boolean | "early";
}

const usual: Fate = { landsAfterMs: 1, answersAfterMs: 1 };

export const methodOf = (command: AnyCommand): string => command.constructor.name.replace("Command", "");

interface ProcessOptions {
  readonly time: VirtualTime;
  readonly server: MemoryS3;
  readonly store?: Partial<S3StoreOptions>;
  /** @param index Of the request, from 0 on. */
  readonly fateOf?: (command: AnyCommand, index: number) => Fate;
}

/** A process with one store, which can die and be frozen at any request. */
export class SimulatedProcess implements S3Sender {
  readonly store: S3Store;
  /** Each request so far: method and name. */
  readonly requests: string[] = [];
  /** From this request on nothing is sent, and nothing is heard any more, not even the answer to the one before. */
  diesAt: number = Number.POSITIVE_INFINITY;
  /** Before that nothing that is due in this process happens. */
  frozenUntil = 0;
  readonly errors: unknown[] = [];
  readonly #options: ProcessOptions;

  constructor(options: ProcessOptions) {
    this.#options = options;
    const { time, store } = options;
    this.store = new S3Store(this, {
      bucket: "b",
      prefix: "",
      clock: { now: () => time.now },
      timers: time.timers((at) => (this.isDead ? Number.POSITIVE_INFINITY : Math.max(at, this.frozenUntil))),
      reapEvery: Number.POSITIVE_INFINITY,
      onBackgroundError: (error) => this.errors.push(error),
      ...store,
    });
  }

  get isDead(): boolean {
    return this.requests.length >= this.diesAt;
  }

  send: S3Sender["send"] = (async (command: AnyCommand, { abortSignal }: { abortSignal: AbortSignal }) =>
    await answered(command, () => this.#serve(command, abortSignal))) as unknown as S3Sender["send"];

  #serve(command: AnyCommand, signal: AbortSignal): Promise<{ date: string; output: unknown }> {
    const { time, server, fateOf } = this.#options;
    return new Promise((resolve, reject) => {
      if (this.isDead) return;
      if (signal.aborted) return reject(Object.assign(new Error("aborted"), { name: "AbortError" }));
      const fate = { ...usual, ...fateOf?.(command, this.requests.length) };
      const { Key = "" } = command.input as { Key?: string };
      this.requests.push(`${methodOf(command)} ${Key}`);
      const hear = (settle: () => void): void => {
        const { answersAfterMs } = fate;
        if (answersAfterMs === undefined) return;
        const arrive = (): void => {
          if (this.isDead) return;
          if (this.frozenUntil > time.now) time.at(this.frozenUntil, arrive);
          else settle();
        };
        time.at(time.now + answersAfterMs, arrive);
      };
      const garble = (): void => reject(sdkError(500, "InternalError"));
      const land = (): void => {
        try {
          const output = server.apply(command);
          const { date } = server;
          hear(() => (fate.isGarbled === true ? garble() : resolve({ date, output })));
        } catch (error) {
          hear(() => (fate.isGarbled === true ? garble() : reject(error)));
        }
      };
      if (fate.isGarbled === "early" || (fate.isGarbled === true && fate.landsAfterMs === undefined)) hear(garble);
      if (fate.landsAfterMs !== undefined) time.at(time.now + fate.landsAfterMs, land);
    });
  }
}
