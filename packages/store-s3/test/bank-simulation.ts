import { conflictsOf, type Mutation, type OperationId, type StoredRecord, WarpError } from "@warp/core";
import { checkHistory, type Operation, type Step } from "@warp/tests-histories";
import { seeded } from "@warp/tests-services/seeded";
import { type AnyCommand, MemoryS3 } from "./memory-s3.ts";
import { type Fate, methodOf, SimulatedProcess } from "./simulated-process.ts";
import { bytes, text } from "./steps.ts";
import { VirtualTime } from "./virtual-time.ts";

const accounts = ["a", "b", "c", "d"];
const total = 400;
const writers = 4;
const callsEach = 6;

/** What an account's record holds: the operations that wrote it, too, oldest first. */
interface Account {
  readonly balance: number;
  readonly log: readonly OperationId[];
}

type Outcome = "landed" | "refused" | "unknown";

interface Access {
  readonly key: string;
  /** How many versions had been before. */
  readonly saw: number;
  /** Who wrote the last of them. */
  readonly writer: OperationId;
  /** Whether it wrote the next one. */
  readonly isWrite: boolean;
}

interface Call {
  readonly operation: OperationId;
  readonly accesses: readonly Access[];
  readonly begunAt: number;
  endedAt: number | null;
  outcome: Outcome;
}

const statusOf = { landed: "ok", refused: "failed", unknown: "unknown" } as const;

/** A call as the checker of histories takes it: what a key holds is who wrote it. */
const operationOf = ({ operation, accesses, begunAt, endedAt, outcome }: Call, id: number): Operation => ({
  id,
  process: operation,
  call: accesses.some(({ isWrite }) => isWrite) ? "commit" : "getMany",
  steps: accesses.flatMap(({ key, writer, isWrite }): Step[] => [
    { kind: "read", key, value: writer === "" ? null : writer },
    ...(isWrite ? [{ kind: "write", key, value: operation } as const] : []),
  ]),
  status: statusOf[outcome],
  start: begunAt,
  end: endedAt,
});

const seenOf = (key: string, { log }: Account) => ({ key, saw: log.length, writer: log.at(-1) ?? "" });

const accountOf = (record: StoredRecord | "unchanged" | undefined): Account => JSON.parse(text(record) ?? "");

/**
 * Processes that move money between accounts over one bucket, where requests are slow, are answered wrongly or not at
 * all, and land late, and where processes stand still and die. All of it follows from the seed.
 */
export class BankSimulation {
  readonly #time = new VirtualTime();
  readonly #server: MemoryS3 = new MemoryS3(() => this.#time.now);
  readonly #random: () => number;
  readonly #calls: Call[] = [];
  readonly #snapshots: Call[] = [];
  #isCalm = false;
  #named = 0;

  constructor(seed: number) {
    this.#random = seeded(seed);
  }

  /** @throws What does not hold. */
  async run(): Promise<void> {
    this.#isCalm = true;
    const { store } = this.#process();
    const seed = accounts.map((key) => this.#put(key, { balance: total / accounts.length, log: ["seed"] }));
    await this.#time.until(store.commit("seed", seed));
    this.#isCalm = false;
    let running = writers;
    const end = (): void => {
      running -= 1;
    };
    const writing = Array.from({ length: writers }, () => this.#write().finally(end));
    const reading = this.#read(() => running === 0);
    await this.#time.until(Promise.all([...writing, reading]));
    this.#isCalm = true;
    // Whatever is still on its way has landed then, and every deadline is over.
    await this.#time.pass(30_000);
    await this.#check();
  }

  async #write(): Promise<void> {
    let process = this.#process();
    for (let call = 0; call < callsEach; call += 1) {
      if (process.isDead) process = this.#process();
      // A process that died in the middle of a call never tells how it ended.
      await Promise.race([this.#transfer(process).catch(() => {}), this.#pause(8_000)]);
    }
  }

  async #transfer({ store }: SimulatedProcess): Promise<void> {
    const keys = [...accounts].sort(() => this.#random() - 0.5).slice(0, 1 + this.#below(4));
    const records = await store.getMany(keys, [], { timeoutMs: 2_000 });
    const operation = `op${++this.#named}`;
    const amount = this.#below(20);
    const mutations = keys.map((key, index): Mutation => {
      const { revision } = records[index] as StoredRecord;
      const { balance, log } = accountOf(records[index]);
      if (index > 1) return { kind: "check", key, expected: revision };
      const change = keys.length === 1 ? 0 : amount * (index === 0 ? 1 : -1);
      return this.#put(key, { balance: balance + change, log: [...log, operation] }, revision);
    });
    const accesses = keys.map(
      (key, index): Access => ({ ...seenOf(key, accountOf(records[index])), isWrite: index < 2 }),
    );
    const call: Call = {
      operation,
      accesses,
      begunAt: this.#time.now,
      endedAt: null,
      outcome: "unknown",
    };
    this.#calls.push(call);
    for (let sending = 0; sending < 3 && call.outcome === "unknown"; sending += 1)
      call.outcome = await store.commit(operation, mutations, { timeoutMs: 2_000 }).then(
        () => "landed",
        (error: unknown) => this.#outcomeOf(operation, error, sending),
      );
    call.endedAt = this.#time.now;
  }

  #outcomeOf(operation: OperationId, error: unknown, sending: number): Outcome {
    const records = [...(conflictsOf(error)?.values() ?? [])];
    if (records.some((record) => record?.operations.includes(operation))) return "landed";
    // A second sending that is refused says nothing about the first, unless its keys have moved.
    return WarpError.is(error) && (sending === 0 || records.length > 0) ? "refused" : "unknown";
  }

  async #read(isOver: () => boolean): Promise<void> {
    let process = this.#process();
    while (!isOver()) {
      const begunAt = this.#time.now;
      const records = await Promise.race([
        process.store.getMany(accounts, [], { timeoutMs: 2_000 }).catch(() => undefined),
        this.#pause(8_000),
      ]);
      if (process.isDead) process = this.#process();
      if (records === undefined) continue;
      const found = records.map(accountOf);
      const sum = found.reduce((all, { balance }) => all + balance, 0);
      if (sum !== total) throw new Error(`a reader saw ${sum} in all`);
      const accesses = found.map((account, index) => ({ ...seenOf(accounts[index] ?? "", account), isWrite: false }));
      const operation = `read at ${begunAt}`;
      this.#snapshots.push({ operation, accesses, begunAt, endedAt: this.#time.now, outcome: "landed" });
      await this.#pause(this.#below(200));
    }
  }

  async #check(): Promise<void> {
    const { store } = this.#process();
    const keys = new Map<string, Account>();
    for (const [index, record] of (await this.#time.until(store.getMany(accounts))).entries())
      keys.set(accounts[index] ?? "", accountOf(record));
    const sum = [...keys.values()].reduce((all, { balance }) => all + balance, 0);
    if (sum !== total) throw new Error(`there is ${sum} in the end`);
    for (const { operation, accesses, outcome } of this.#calls) {
      const written = accesses.filter(({ isWrite }) => isWrite);
      const found = written.filter(({ key, saw }) => keys.get(key)?.log[saw] === operation);
      const times = [...keys.values()].flatMap(({ log }) => log.filter((one) => one === operation)).length;
      if (times !== found.length) throw new Error(`${operation} landed twice, or over what it had not seen`);
      if (found.length !== 0 && found.length !== written.length) throw new Error(`half of ${operation} landed`);
      if (outcome === "landed" && found.length === 0) throw new Error(`${operation} is lost`);
      if (outcome === "refused" && found.length > 0) throw new Error(`${operation} landed though it was refused`);
    }
    const begun: Call = {
      ...{ operation: "seed", begunAt: -1, endedAt: -1, outcome: "landed" },
      accesses: accounts.map((key) => ({ key, saw: 0, writer: "", isWrite: true })),
    };
    const operations = [begun, ...this.#calls, ...this.#snapshots].map(operationOf);
    const { problems } = checkHistory({ operations, locks: [] });
    if (problems.length > 0) throw new Error(problems.join("\n"));
    // Nobody is kept out for good.
    const all = await this.#time.until(store.getMany(accounts));
    const last = accounts.map((key, index) =>
      this.#put(key, accountOf(all[index]), (all[index] as StoredRecord).revision),
    );
    await this.#time.until(store.commit("last", last));
  }

  #process(): SimulatedProcess {
    const fateOf = (command: AnyCommand): Fate => {
      if (this.#random() < 0.01 && !this.#isCalm) process.frozenUntil = this.#time.now + this.#below(6_000);
      return this.#fateOf(command);
    };
    const process = new SimulatedProcess({ time: this.#time, server: this.#server, fateOf });
    if (!this.#isCalm && this.#random() < 0.4) process.diesAt = this.#below(60);
    return process;
  }

  #fateOf(command: AnyCommand): Fate {
    if (this.#isCalm) return {};
    const [landsAfterMs, answersAfterMs] = [this.#below(40), this.#below(40)];
    const dice = this.#random();
    const isPut = methodOf(command) === "PutObject";
    if (dice < 0.02) return { landsAfterMs: undefined, answersAfterMs, isGarbled: true };
    if (dice < 0.05) return { landsAfterMs, answersAfterMs, isGarbled: true };
    if (dice < 0.07 && isPut) return { landsAfterMs: this.#below(8_000), answersAfterMs, isGarbled: "early" };
    if (dice < 0.08) return { landsAfterMs: isPut ? this.#below(8_000) : undefined, answersAfterMs: undefined };
    return { landsAfterMs, answersAfterMs };
  }

  #put(key: string, account: Account, expected?: string): Mutation {
    const value = bytes(JSON.stringify(account));
    const timestamp = { micros: 0, node: "n" };
    return { kind: "put", key, value, expected, ttlMs: undefined, history: undefined, timestamp };
  }

  #below(bound: number): number {
    return Math.floor(this.#random() * bound);
  }

  #pause(ms: number): Promise<undefined> {
    return new Promise((resolve) => void this.#time.at(this.#time.now + ms, () => resolve(undefined)));
  }

  /** How many calls ended how: so that a test knows that it tested something. */
  get outcomes(): Readonly<Record<Outcome, number>> {
    const count = (outcome: Outcome): number => this.#calls.filter((call) => call.outcome === outcome).length;
    return { landed: count("landed"), refused: count("refused"), unknown: count("unknown") };
  }
}
