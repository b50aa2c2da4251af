import { WarpError } from "../errors.ts";
import type { FillToken } from "../mechanisms/fill-guard.ts";
import type { Registration } from "../mechanisms/registration.ts";
import type { StoreAccess } from "../mechanisms/store-access.ts";
import { abortedError } from "../mechanisms/wait.ts";
import type { Mutation, StoredRecord } from "../ports/store.ts";
import type { Clock } from "../values/clock.ts";
import { decodeValue, encodeValue } from "../wire/encode-value.ts";
import { type Agreement, agreed } from "./agreement.ts";
import { type CommitRun, revisionLeft } from "./commit.ts";
import { type Context, flushFirst, registrationFor, requireOpen } from "./context.ts";
import { readAllStanding, readStanding } from "./expired.ts";
import { commitTransactionLocally } from "./transaction-local.ts";
import { applySteps, resultsOf, type Step, type Work } from "./transaction-steps.ts";
import { applyLocally } from "./write.ts";
import { commitLoop, type Known, type Landed, runWrite, type WriteCall, type WritePlan } from "./write-run.ts";
import { deleteMutation, guess, knownFrom, nothing, putMutation, requireNoThenable } from "./write-values.ts";

export interface CommitOptions {
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number | undefined;
}

/** What a transaction sends, and the value that each key has then. */
interface Plan {
  readonly mutations: readonly Mutation[];
  readonly values: ReadonlyMap<string, unknown>;
}

const compares = ({ kind }: Step): boolean => kind === "compare-and-swap";

const conflict = (keys: readonly string[]): WarpError =>
  new WarpError("CONFLICT", `changed since they were read: ${keys.map((key) => `"${key}"`).join(", ")}`, {
    keys,
    key: keys[0],
    operation: "commit",
  });

/**
 * Several keys, all or nothing (at the store). `get` sees what the transaction itself has written; what it read must
 * still hold when it commits. Made by `warp.txn()`; used once.
 */
export class Transaction {
  readonly #context: Context;
  readonly #works: Map<string, Work> = new Map();
  #ended = false;

  /** @throws {WarpError} `UNSUPPORTED` where there is no single place that all keys are kept in. */
  constructor(context: Context) {
    this.#context = context;
    if (context.store !== undefined || (context.shared === undefined && context.local !== undefined)) return;
    throw new WarpError("UNSUPPORTED", "without a store, a transaction needs a local cache and no shared one", {
      operation: "txn",
    });
  }

  get clock(): Clock {
    return this.#context.clock;
  }

  /** @returns The value as of this transaction, `undefined` if the key does not exist. */
  async get(key: string): Promise<unknown> {
    const work = this.#workOn(key);
    await flushFirst(this.#context, [key], "txn");
    work.reading ??= this.#read(key, work.registration);
    try {
      work.read = await work.reading;
    } catch (error) {
      work.reading = undefined;
      throw error;
    }
    return applySteps(work.registration, key, work.read.value, work.steps);
  }

  set(key: string, value: unknown): void {
    const { registration, steps } = this.#workOn(key);
    steps.push({ kind: "set", value: this.#checked(registration, key, value) });
  }

  delete(key: string): void {
    this.#workOn(key).steps.push({ kind: "delete" });
  }

  compareAndSwap(key: string, expected: unknown, next: unknown): void {
    const { registration, steps } = this.#workOn(key);
    // Compared with what comes out of the store, so it takes the same way.
    const seen =
      expected === undefined || !this.#goesThroughCodec
        ? expected
        : decodeValue(registration.policy.codec, encodeValue(registration.policy.codec, expected, key), key);
    steps.push({
      kind: "compare-and-swap",
      expected: seen,
      next: next === undefined ? undefined : this.#checked(registration, key, next),
    });
  }

  rollback(): void {
    // A commit that is under way is settled with what it was to write.
    if (this.#ended) return;
    this.#ended = true;
    this.#works.clear();
  }

  async commit(options: CommitOptions): Promise<void> {
    this.#requireLive("commit");
    requireOpen(this.#context, "commit");
    this.#ended = true;
    if (options.signal?.aborted === true) throw abortedError(options.signal, { operation: "commit" });
    if (this.#works.size === 0) return;
    const { store } = this.#context;
    if (store === undefined) return commitTransactionLocally(this.#context, this.#works);
    if (this.#works.size > 1 && !store.store.atomicBatch) {
      throw new WarpError("UNSUPPORTED", "this store cannot commit more than one key at once", {
        operation: "commit",
        port: "store",
      });
    }
    await this.#commitToStore(store, await flushFirst(this.#context, this.#works.keys(), "commit", options));
  }

  #requireLive(operation: string): void {
    if (this.#ended) throw new WarpError("CLOSED", "this transaction was committed or rolled back", { operation });
  }

  #workOn(key: string): Work {
    this.#requireLive("txn");
    const registration = registrationFor(this.#context, key, "txn");
    const known = this.#works.get(key);
    if (known !== undefined) return known;
    const work: Work = { registration, steps: [], read: undefined, reading: undefined };
    this.#works.set(key, work);
    return work;
  }

  get #goesThroughCodec(): boolean {
    return this.#context.store !== undefined || this.#context.shared !== undefined;
  }

  #checked(registration: Registration, key: string, value: unknown): unknown {
    requireNoThenable(key, value, "codec");
    if (this.#goesThroughCodec || value === undefined) encodeValue(registration.policy.codec, value, key);
    return value;
  }

  async #read(key: string, registration: Registration): Promise<Known> {
    const { store } = this.#context;
    if (store === undefined) return guess(this.#context, key, registration);
    const record = await readStanding(this.#context, key, registration, () => store.get(key));
    return knownFrom(registration, key, record as StoredRecord | undefined);
  }

  async #commitToStore(store: StoreAccess, { signal, timeoutMs }: CommitOptions): Promise<void> {
    const context = this.#context;
    const written = new Map<string, Registration>();
    for (const [key, { steps, registration }] of this.#works) if (steps.length > 0) written.set(key, registration);
    const needsQuorum = [...written.values()].some(({ isStrong }) => isStrong);
    const call: WriteCall = {
      operation: "commit",
      keys: [...written.keys()],
      signal,
      timeoutMs,
      answer: "none",
      needsQuorum,
    };
    await runWrite(context, call, async (run) => {
      // Guesses come from the local tier, which lets go of strong keys as soon as they are announced.
      const knowing = this.#known(store);
      knowing.catch(() => undefined);
      await agreed(context, run, written, (agreement) => this.#commitAgreed(store, run, written, knowing, agreement));
    });
  }

  async #commitAgreed(
    store: StoreAccess,
    run: CommitRun,
    written: ReadonlyMap<string, Registration>,
    knowing: Promise<Map<string, Known>>,
    agreement: Agreement,
  ): Promise<void> {
    const context = this.#context;
    const tokens = new Map<string, FillToken>();
    for (const [key, registration] of written) tokens.set(key, context.fills.take(key, registration));
    try {
      const known = await knowing;
      const landed = await commitLoop(context, {
        run,
        store,
        operation: undefined,
        ready: agreement.ready,
        plan: () => this.#plan(known),
        learn: (conflicts) => this.#learn(known, conflicts),
      });
      if (written.size === 0) return;
      await agreement.conclude([...written.keys()], () => this.#applyLocally(landed, tokens));
    } finally {
      for (const token of tokens.values()) context.fills.release(token);
    }
  }

  #applyLocally(landed: Landed<Plan>, tokens: ReadonlyMap<string, FillToken>): void {
    const { mutations, values } = landed.result;
    mutations.forEach(({ key }, index) => {
      const token = tokens.get(key);
      if (token !== undefined)
        applyLocally(this.#context, (this.#works.get(key) as Work).registration, key, {
          token,
          value: values.get(key),
          revision: revisionLeft(landed, index),
        });
    });
  }

  /** What each key holds, to begin with: seen, asked for where the outcome hangs on it, else guessed. */
  async #known(store: StoreAccess): Promise<Map<string, Known>> {
    const known = new Map<string, Known>();
    const asked: string[] = [];
    for (const [key, { read, steps, registration }] of this.#works) {
      if (read !== undefined) known.set(key, read);
      else if (steps.some(compares)) asked.push(key);
      else {
        const guessed = guess(this.#context, key, registration);
        // A strong write waits for others meanwhile: asking costs it nothing, guessing wrong does.
        if (registration.isStrong && guessed === nothing) asked.push(key);
        else known.set(key, guessed);
      }
    }
    if (asked.length === 0) return known;
    const registrations = asked.map((key) => (this.#works.get(key) as Work).registration);
    const call = { operation: "commit" };
    const records = await readAllStanding(this.#context, asked, registrations, () => store.getMany(asked, call));
    asked.forEach((key, index) => {
      known.set(key, knownFrom(registrations[index] as Registration, key, records[index] as StoredRecord | undefined));
    });
    return known;
  }

  #plan(known: ReadonlyMap<string, Known>): WritePlan<Plan> {
    const values = resultsOf(this.#works, (key) => known.get(key)?.value);
    const mutations = [...this.#works].map(([key, { registration, steps }]): Mutation => {
      const expected = known.get(key)?.revision;
      if (steps.length === 0) return { kind: "check", key, expected };
      const value = values.get(key);
      return value === undefined
        ? deleteMutation(this.#context, registration, key, expected)
        : putMutation(this.#context, registration, key, expected, value);
    });
    return { mutations, result: { mutations, values } };
  }

  #learn(known: Map<string, Known>, conflicts: ReadonlyMap<string, StoredRecord | undefined>): void {
    const overtaken = [...conflicts.keys()].filter((key) => {
      const record = conflicts.get(key);
      const read = this.#works.get(key)?.read;
      return read !== undefined && read.revision !== record?.revision;
    });
    if (overtaken.length > 0) throw conflict(overtaken);
    for (const [key, record] of conflicts) {
      const work = this.#works.get(key);
      if (work !== undefined) known.set(key, knownFrom(work.registration, key, record));
    }
  }
}
